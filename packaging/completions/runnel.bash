# bash completion for runnel; made by packaging/make_completions.py
# shellcheck shell=bash disable=SC2207
_runnel() {
  local cur prev options verb
  cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W 'cast watch tracker inspect --help --version' -- "$cur"))
    return
  fi
  case $prev in
    --chunk-size | --http | --listen | --max-download | --max-upload | --peer | --title | --tracker | --udp | --window) :; return ;;
    --key | --out | --record) _filedir; return ;;
    --store) COMPREPLY=($(compgen -W 'memory sqlite:' -- "$cur")); return ;;
    --player) COMPREPLY=($(compgen -W 'mpv vlc browser none' -- "$cur")); return ;;
    --hash) COMPREPLY=($(compgen -W 'sha1 sha224 sha256 sha384 sha512' -- "$cur")); return ;;
  esac
  case $verb in
    cast) options='--listen --http --lan --tracker --no-dht --max-upload --window --sealed-only --plain --json --verbose --help --live --loop --title --key --hash --chunk-size --compat --private --record' ;;
    watch) options='--listen --http --lan --tracker --no-dht --max-upload --window --sealed-only --plain --json --verbose --help --peer --player --out --until-complete --max-download --no-upload --chunk-size --compat' ;;
    tracker) options='--http --udp --store --json --help' ;;
    inspect) options='--hash --json --help' ;;
    *) return ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [[ $verb == cast || $verb == inspect ]]; then
    _filedir
  fi
}
if ! declare -F _filedir >/dev/null; then
  _filedir() { COMPREPLY=($(compgen "${1:--f}" -- "${COMP_WORDS[COMP_CWORD]}")); }
fi
complete -o filenames -F _runnel runnel

// netlab: hosts that are network namespaces, joined by one user-space path.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>

#include <fcntl.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "netlab/lab.hpp"
#include "netlab/lab_file.hpp"

namespace runnel::netlab {
namespace {

// What test runners take for "skipped" (Automake's convention).
constexpr int kSkipped = 77;
constexpr int kWrongUse = 2;

struct Arguments {
  std::string file;
  std::string control;
  std::vector<std::string> settings;
  std::optional<std::uint64_t> seed;
  std::string host;
  std::vector<std::string> words;
  std::string toml;
};

int run_lab(const Arguments& arguments) {
  auto lab = load_lab(arguments.file);
  for (const std::string& setting : arguments.settings) {
    if (lab) lab = changed(std::move(*lab), setting);
  }
  if (!lab) {
    std::fprintf(stderr, "netlab: %s\n", lab.error().c_str());
    return kWrongUse;
  }
  if (arguments.seed) lab->seed = *arguments.seed;
  // Small enough for every reader of JSON.
  else if (!lab->seed_given)
    lab->seed = std::random_device{}();
  std::fprintf(stderr, "netlab: seed %llu\n", static_cast<unsigned long long>(lab->seed));
  std::string control = arguments.control;
  if (control.empty()) control = std::filesystem::temp_directory_path() / ("netlab-" + std::to_string(::getpid()) + ".sock");
  std::optional<Command> command;
  if (!arguments.words.empty()) command = Command{arguments.host, arguments.words};
  return Lab{*lab, control}.run(command);
}

int execute(const Arguments& arguments) {
  const boost::json::value answer = boost::json::parse(ask(arguments.control, request_line({"hosts", ""})));
  const auto& hosts = answer.as_object().at("hosts").as_object();
  const auto* host = hosts.if_contains(arguments.host);
  if (host == nullptr) throw LabError{"there is no host '" + arguments.host + "'"};
  const FileDescriptor place{::open(host->as_object().at("namespace").as_string().c_str(), O_RDONLY | O_CLOEXEC)};
  if (!place) throw LabError{"the host can not be entered: " + std::string{std::strerror(errno)}};
  enter_namespace(place.get());
  replace_process(arguments.words);
  throw LabError{arguments.words[0] + ": " + std::strerror(errno)};
}

int tell(const Arguments& arguments, const Request& request) {
  const std::string answer = ask(arguments.control, request_line(request));
  if (request.what == "stats" || request.what == "hosts") std::fputs(answer.c_str(), stdout);
  return 0;
}

constexpr const char* kFooter = R"(By hand, as root:
  netlab run tests/netlab/lossy.toml --control /tmp/lab &      one JSON line tells the hosts' addresses when it is up
  netlab exec /tmp/lab alice -- bash                           a shell in a host
  netlab set /tmp/lab 'host.alice.up.rate_mbps = 1'            changes a line while packets are on it
  netlab set /tmp/lab 'partition = [["alice"], ["bob"]]'       and 'partition = []' heals
  netlab set /tmp/lab 'host.viewer.connected = false'          a host, or a whole group of them, vanishes
  netlab stats /tmp/lab                                        packets, bytes, drops by their causes, waits, the lab's lateness
  netlab run FILE --in alice -- COMMAND                        a lab for the time of one command

Everything inside a host ends with the lab, however that ends. The keys of FILE are told in tests/netlab/README.md.
Exit status: 0; the command's own with --in; 1 failed, 2 wrong use, 77 not possible here (no root, no TUN).)";

int parse_and_do(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"Hosts as network namespaces, joined by links with delay, jitter, loss, reordering, rates and queues.", "netlab"};
  app.footer(kFooter);
  app.require_subcommand(1);
  auto* run = app.add_subcommand("run", "keeps a lab up until a signal, 'stop', or the end of the command of --in");
  run->add_option("FILE", arguments.file, "the lab's description, TOML")->required();
  run->add_option("--control", arguments.control, "where to make the control socket (default: netlab-PID.sock where temporary files are)");
  run->add_option("--set", arguments.settings, "TOML over what the file says, such as 'path.loss = 0.01'; may be repeated")->expected(1);
  run->add_option("--seed", arguments.seed, "of all that is random; it is printed (default: the file's, or one drawn)");
  auto* in = run->add_option("--in", arguments.host, "starts the command in this host and ends with it");
  run->add_option("COMMAND", arguments.words, "after --")->needs(in);
  auto* exec = app.add_subcommand("exec", "runs a command in a host of a lab that is up, in place of this process");
  auto* set = app.add_subcommand("set", "changes a lab that is up");
  auto* stats = app.add_subcommand("stats", "prints a lab's counters as one line of JSON");
  auto* hosts = app.add_subcommand("hosts", "prints a lab's hosts and addresses as one line of JSON");
  auto* stop = app.add_subcommand("stop", "ends a lab");
  for (CLI::App* verb : {exec, set, stats, hosts, stop}) verb->add_option("CONTROL", arguments.control, "the control socket")->required();
  exec->add_option("HOST", arguments.host)->required();
  exec->add_option("COMMAND", arguments.words, "after --")->required();
  set->add_option("TOML", arguments.toml, "in the words of the lab's description")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUse;
  }
  if (run->parsed()) {
    if (in->count() > 0 && arguments.words.empty()) throw LabError{"--in HOST wants a command after --"};
    return run_lab(arguments);
  }
  if (exec->parsed()) return execute(arguments);
  if (set->parsed()) return tell(arguments, {"set", arguments.toml});
  return tell(arguments, {stats->parsed() ? "stats" : hosts->parsed() ? "hosts" : "stop", ""});
}

}  // namespace
}  // namespace runnel::netlab

int main(int argc, char** argv) {
  try {
    return runnel::netlab::parse_and_do(argc, argv);
  } catch (const runnel::netlab::LabError& error) {
    std::fprintf(stderr, "netlab: %s\n", error.what());
    return error.needs_root ? runnel::netlab::kSkipped : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "netlab: %s\n", error.what());
    return 1;
  }
}

// Casting and watching: how a stream comes to be, on both threads.
#include <algorithm>
#include <fstream>

#include "base/log.hpp"
#include "core/discovery/info_hash.hpp"
#include "core/swarm/content.hpp"
#include "crypto/openssl.hpp"
#include "net/clock.hpp"
#include "net/interfaces.hpp"
#include "node/node_impl.hpp"
#include "node/private_secret.hpp"
#include "node/transport_source.hpp"
#include "store/cache.hpp"

namespace runnel::node {
namespace {

constexpr std::size_t kPlayableBytes = 64U << 10;            // of a film, before it is called playable
constexpr std::size_t kMaxScannedIndex = 16U << 20;          // bytes; an hour's index has a few kB

}  // namespace

// ---- adding streams -------------------------------------------------------------------------------------------------

// `secret`: of a private link, else empty.
void NodeImpl::add_host(SwarmHandle handle, std::unique_ptr<SwarmHost> host, swarm::AddSwarm add, const base::Bytes& secret) {
  const bool required = !secret.empty() || config_.sealed_only;
  add.sealing = required ? swarm::SealPolicy::required : config_.plain ? swarm::SealPolicy::never : swarm::SealPolicy::preferred;
  const swarm::SealingKey key = swarm::sealing_key(add.metadata.id, secret);
  loop_->post([this, handle, host = std::make_shared<std::unique_ptr<SwarmHost>>(std::move(host)), add = std::move(add), key] {
    hosts_.emplace(handle, std::move(*host));
    if (add.sealing != swarm::SealPolicy::never) loop_->sealer().add_swarm(handle, key);
    loop_->input(add);
  });
}

NodeImpl::Film NodeImpl::seeded(std::unique_ptr<store::StaticStore> store, std::unique_ptr<crypto::Hasher> hasher, std::string file_name) {
  Film film;
  film.hasher = std::move(hasher);
  film.store = std::move(store);
  film.metadata.id = base::to_bytes(film.store->root().view());
  film.metadata.content_bytes = film.store->size();
  film.link.id_bytes = film.metadata.id;
  film.link.size = film.store->size();
  film.role = "cast";
  film.file_name = std::move(file_name);
  return film;
}

Entry& NodeImpl::add_film(Film film) {
  const SwarmHandle handle{next_handle_++};
  Entry& entry = entries_[handle];
  entry.added = net::steady_now();
  entry.hidden = film.hidden;
  entry.file = film.store->file();

  swarm::AddSwarm add{handle, film.metadata, {}, film.store->verified(), true};
  StaticHost::Events events;
  events.on_size = [this, handle](std::uint64_t bytes) { on_engine_event(handle, [bytes](Entry& e) { e.film->set_size(bytes); }); };
  events.on_complete = [this, handle](base::Duration transfer) {
    on_engine_event(handle, [this, transfer](Entry& e) { film_complete(e, transfer); });
  };
  events.on_failure = [this, handle](std::string text) {
    on_engine_event(handle, [this, text](Entry& e) {
      e.stream->set_problem(text);
      events_.on_error(text);
    });
  };
  const auto size = film.store->size();
  auto host = std::make_unique<StaticHost>(*loop_, handle, std::move(film.hasher), std::move(film.store), std::move(events));
  add.parts = {&host->file().nodes(), &host->tree_hasher(), nullptr, nullptr};
  auto stream = std::make_unique<StaticStream>(handle, film.role, film.link, StaticStream::Parts{service_, *loop_, *host}, film.file_name);
  if (size) stream->set_size(*size);
  entry.film = stream.get();
  entry.stream = std::move(stream);
  add_host(handle, std::move(host), std::move(add), film.link.secret);
  announce(entry, film.metadata.id);
  return entry;
}

static_assert(swarm::live_window_of(kLongestWindow) / swarm::kPushMunroWidth <= swarm::LiveContent::kMaxMunros);

Entry& NodeImpl::add_live(std::string role, swarm::Link link, base::Bytes wire_id, crypto::Signer* signer) {
  const SwarmHandle handle{next_handle_++};
  Entry& entry = entries_[handle];
  entry.added = net::steady_now();
  auto stream = std::make_unique<LiveStream>(handle, std::move(role), std::move(link), config_.live_window);
  entry.live = stream.get();
  entry.stream = std::move(stream);

  auto on_munro = [this, handle](LiveHost::Munro munro) {
    on_engine_event(handle, [this, munro = std::make_shared<const LiveHost::Munro>(std::move(munro))](Entry& e) {
      if (e.transport)
        e.transport->on_munro(*munro);
      else
        e.live->on_munro(*munro);
      tell_playable(e);
    });
  };
  const swarm::Link& parsed = entry.stream->parsed_link();
  swarm::AddSwarm add;
  add.swarm = handle;
  add.metadata = swarm::live_metadata(parsed, wire_id);
  if (!add.metadata.compat()) add.metadata.live_window = swarm::live_window_of(config_.live_window);
  add.push = true;
  auto host = std::make_unique<LiveHost>(*loop_, handle, add.metadata, signer, std::move(on_munro));
  add.parts = host->parts();
  live_hosts_[handle] = host.get();
  add_host(handle, std::move(host), std::move(add), entry.stream->parsed_link().secret);
  announce(entry, wire_id);
  return entry;
}

void NodeImpl::announce(Entry& entry, base::ByteView wire_id) {
  const base::Bytes& secret = entry.stream->parsed_link().secret;
  entry.info_hash = secret.empty() ? discovery::info_hash(wire_id) : discovery::private_info_hash(wire_id, secret);
  if (tracker_) tracker_->set_local_peers(entry.info_hash, net::reachable_endpoints(loop_->local()));
  std::vector<std::string> urls = config_.trackers;
  for (const std::string& url : entry.stream->parsed_link().trackers) {
    if (std::ranges::find(urls, url) == urls.end()) urls.push_back(url);
  }
  // Its own embedded tracker needs no announce: it tells our addresses by itself; but we want to hear who came.
  if (tracker_ && std::ranges::find(urls, tracker_->http_url()) == urls.end()) urls.push_back(tracker_->http_url());
  const SwarmHandle handle = entry.stream->handle();
  for (const std::string& url : urls) {
    net::TrackerClient::Callbacks callbacks;
    callbacks.on_peers = [this, handle](const std::vector<base::Endpoint>& peers) {
      loop_->post([this, handle, peers] { loop_->input(swarm::AddPeers{handle, peers, false}); });
    };
    callbacks.on_state = [this, handle](const discovery::TrackerState& state) {
      Entry* e = entry_of(handle);
      if (e == nullptr) return;
      if (state.condition == discovery::TrackerCondition::failing && e->tracker_lines[state.url] != state.text)
        base::log_info("tracker", state.text);
      e->tracker_lines[state.url] = state.text;
      std::vector<std::string> lines;
      for (const auto& [url_of, text] : e->tracker_lines) lines.push_back(url_of + ": " + text);
      e->stream->set_tracker_lines(std::move(lines));
    };
    if (const auto added = announcer_->add(url, entry.info_hash, std::move(callbacks)); !added) {
      events_.on_notice("the tracker " + url + " is left out: " + message(added.error()));
    }
  }
}

void NodeImpl::dial(SwarmHandle handle, const swarm::LinkPeer& peer) {
  resolver_.resolve(peer.host, peer.port, [this, handle](const net::Resolver::Result& found) {
    if (!found) {
      events_.on_notice(found.error());
      return;
    }
    loop_->post([this, handle, peers = *found] { loop_->input(swarm::AddPeers{handle, peers, true}); });
  });
}

// Whoever served us well last time.
void NodeImpl::call_anchors(const Entry& entry) {
  auto peers = anchors_.of(base::to_hex(entry.info_hash.view()));
  if (peers.empty()) return;
  loop_->post([this, handle = entry.stream->handle(), peers = std::move(peers)] { loop_->input(swarm::AddPeers{handle, peers, false}); });
}

void NodeImpl::remember_peers(Entry& entry) {
  entry.peers_remembered = net::steady_now();
  if (entry.stream->role() == "watch" && !entry.hidden)
    anchors_.remember(base::to_hex(entry.info_hash.view()), entry.stream->swarm_state());
}

// The addresses and trackers that make a caster's link work with nothing else running.
swarm::Link NodeImpl::complete_link(swarm::Link link) const {
  const auto reachable = net::reachable_endpoints(loop_->local());
  for (const base::Endpoint& at : reachable) {
    if (link.peers.size() < swarm::kMaxLinkPeers) link.peers.push_back({at.address.to_string(), at.port});
  }
  for (const std::string& url : config_.trackers) link.trackers.push_back(url);
  if (tracker_) {
    for (const base::Endpoint& at : net::reachable_endpoints(*tracker_->http_endpoint())) {
      if (link.trackers.size() < swarm::kMaxLinkTrackers)
        link.trackers.push_back(tracker::announce_url(tracker::TrackerProtocol::http, at));
    }
  }
  return link;
}

// ---- casting a file -------------------------------------------------------------------------------------------------

std::expected<player::Stream*, std::string> NodeImpl::cast(const CastFile& cast) {
  const auto algorithm = cast.compat ? crypto::HashAlgorithm::sha1 : cast.hash;
  auto hasher = crypto::make_hasher(algorithm);
  store::SeedOptions options;
  options.file = cast.file;
  options.cache_folder = config_.cache_folder;
  options.chunk_size = cast.compat ? swarm::kDefaultCompatChunkSize : cast.chunk_size;
  options.progress = {cast.on_hashing, cast.cancelled};
  auto opened = store::StaticStore::open_seed(options, *hasher, net::steady_now());
  if (!opened) return std::unexpected(message(opened.error()));
  Film film = seeded(std::move(*opened), std::move(hasher), cast.file.filename().string());
  film.metadata.hash = algorithm;
  film.metadata.chunk_size = options.chunk_size;
  film.link.title = cast.title.empty() ? cast.file.filename().string() : cast.title;
  if (options.chunk_size != film.link.chunk_size_bytes()) film.link.chunk_size = options.chunk_size;
  if (cast.is_private) {
    auto secret = private_secret(config_.cache_folder / "private" / base::to_hex(film.metadata.id), secrets_);
    if (!secret) return std::unexpected(secret.error());
    film.link.secret = std::move(*secret);
  }
  film.link = complete_link(std::move(film.link));
  Entry& entry = add_film(std::move(film));
  entry.film->set_first_bytes_here();
  // What is inside, and whether players need a seek index of their own for it; the link waits for the answer.
  const SwarmHandle handle = entry.stream->handle();
  entry.scan =
      media::start_scan(service_, {config_.helper}, std::filesystem::absolute(cast.file).string(),
                        [this, handle](std::expected<media::ScanResult, std::string> result) { scanned(handle, std::move(result)); });
  return entry.film;
}

void NodeImpl::scanned(SwarmHandle handle, std::expected<media::ScanResult, std::string> result) {
  Entry* entry = entry_of(handle);
  if (entry == nullptr) return;
  if (!result) {
    events_.on_notice("the file is shared as bytes; players may not seek in it: " + result.error());
  } else {
    entry->film->set_mime(result->mime);
    if (!result->is_media) events_.on_notice("not a film that can be played in a browser: shared as bytes");
    if (result->index) {
      if (const auto shared = share_index(*entry, *result->index); !shared) events_.on_notice("seeking will be slow: " + shared.error());
    }
  }
  become_ready(*entry);
}

// The index becomes a small swarm of its own, named in the film's link.
std::expected<void, std::string> NodeImpl::share_index(Entry& entry, const base::Bytes& index) {
  const std::filesystem::path file = config_.cache_folder / ("index-" + entry.stream->id() + ".rnx");
  std::error_code error;
  std::filesystem::create_directories(config_.cache_folder, error);
  std::ofstream out{file, std::ios::binary | std::ios::trunc};
  out.write(reinterpret_cast<const char*>(index.data()), static_cast<std::streamsize>(index.size()));
  out.close();
  if (!out) return std::unexpected("the seek index can not be written to " + file.string());
  auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  auto opened = store::StaticStore::open_seed({file, config_.cache_folder, swarm::kDefaultChunkSize, {}}, *hasher, net::steady_now());
  if (!opened) return std::unexpected(message(opened.error()));
  Film film = seeded(std::move(*opened), std::move(hasher), file.filename().string());
  film.link.secret = entry.stream->parsed_link().secret;
  film.hidden = true;
  swarm::Link link = entry.stream->parsed_link();
  link.index = swarm::LinkIndex{film.metadata.id, index.size()};
  add_film(std::move(film));
  entry.film->set_index(index);
  entry.stream->set_link(std::move(link));
  return {};
}

void NodeImpl::become_ready(Entry& entry) {
  if (std::exchange(entry.ready_told, true)) return;
  if (entry.when_ready) return entry.when_ready(entry);
  events_.on_ready(*entry.stream);
}

// ---- casting live ---------------------------------------------------------------------------------------------------

std::expected<player::Stream*, std::string> NodeImpl::cast(const CastLive& cast) {
  auto key = cast.key_file ? ChannelKey::open(*cast.key_file) : ChannelKey::temporary();
  if (!key) return std::unexpected(key.error());
  swarm::Link link;
  link.kind = swarm::LinkKind::live;
  link.title = cast.title;
  if (cast.hash != link.hash_algorithm()) link.hash = cast.hash;
  if (cast.compat) {
    link.id_bytes = key->signer().public_key();   // as older peers have it
    link.hash = crypto::HashAlgorithm::sha1;
    link.chunk_size = swarm::kDefaultCompatChunkSize;
    link.addressing = wire::AddressingMethod::chunks32;
    if (!swarm::live_metadata(link, link.id_bytes).compat())
      return std::unexpected("older peers know keys of P-256 alone: the channel's key file holds another");
  } else {
    link.id_bytes = *crypto::compress_key(key->signer().public_key());
  }
  if (cast.is_private) {
    auto secret = cast.key_file ? private_secret(cast.key_file->string() + ".private", secrets_) : new_private_secret(secrets_);
    if (!secret) return std::unexpected(secret.error());
    link.secret = std::move(*secret);
  }
  link = complete_link(std::move(link));
  crypto::Signer& signer = key->signer();
  const base::Bytes wire_id = signer.public_key();
  Entry& entry = add_live("cast", std::move(link), wire_id, &signer);
  const SwarmHandle handle = entry.stream->handle();
  entry.source = make_source(entry, std::move(*key), cast.compat);
  remember_ports(entry);
  if (cast.record) {
    if (const auto begun = begin_recording(entry, cast); !begun) return std::unexpected(begun.error());
  }

  media::IngestConfig ingest{{config_.helper}, cast.source, cast.loop, {}};
  media::IngestEvents events;
  events.on_listening = [this, handle](std::string url) {
    events_.on_notice("waiting for a publisher at " + url);
    if (Entry* e = entry_of(handle)) become_ready(*e);
  };
  events.on_init = [this, handle](const media::InitSegment& init) {
    if (Entry* e = entry_of(handle)) e->source->on_init(init);
  };
  events.on_chunk = [this, handle](const media::MediaChunk& chunk) {
    if (Entry* e = entry_of(handle)) e->source->on_chunk(chunk);
  };
  events.on_notice = events_.on_notice;
  events.on_end = [this, handle] {
    Entry* e = entry_of(handle);
    if (e == nullptr) return;
    e->source->on_end();
    events_.on_notice("the source has ended; what is in the window is still served");
    share_recording(*e);
  };
  events.on_error = [this, handle](std::string text) {
    if (Entry* e = entry_of(handle)) e->stream->set_problem(text);
    events_.on_error(text);
  };
  entry.ingest = media::start_ingest(service_, std::move(ingest), std::move(events));
  if (!cast.source.starts_with("rtmp://") && !cast.source.starts_with("srt://")) {
    to_service([this, handle] {
      if (Entry* e = entry_of(handle)) become_ready(*e);
    });
  }
  return entry.live;
}

std::unique_ptr<LiveSource> NodeImpl::make_source(Entry& entry, ChannelKey key, bool compat) {
  const SwarmHandle handle = entry.stream->handle();
  // The host was handed to the engine's thread a moment ago and stays there until the node ends.
  const LiveOutlet outlet{*loop_, *live_hosts_.at(handle), *entry.live};
  if (!compat) return std::make_unique<RecordSource>(outlet, std::move(key));
  TransportSource::Setup setup{service_, {config_.helper}, [this, handle](std::string text) {
                                 if (Entry* e = entry_of(handle)) e->stream->set_problem(text);
                                 events_.on_error(text);
                               }};
  return std::make_unique<TransportSource>(outlet, std::move(key), std::move(setup));
}

void NodeImpl::remember_ports(Entry& entry) {
  entry.source->remember_ports(loop_->local().port, http_->local().port, tracker_ ? tracker_->http_endpoint()->port : std::uint16_t{0});
}

// ---- watching -------------------------------------------------------------------------------------------------------

std::expected<Entry*, std::string> NodeImpl::watch_live(const Watch& watch) {
  if (watch.link.addressing == wire::AddressingMethod::bytes64)
    return std::unexpected(
        "the link's chunk addressing (ca=1, byte ranges) can not name the chunks of a live stream, which have no fixed size");
  const auto wire_id = crypto::expand_key(watch.link.id_bytes);
  if (!wire_id) return std::unexpected("the link's id is no key: " + crypto::message(wire_id.error()));
  Entry& entry = add_live("watch", watch.link, *wire_id, nullptr);
  if (!swarm::live_metadata(watch.link, *wire_id).compat()) {
    if (watch.out) entry.live->record_to(*watch.out, events_.on_error);
    entry.watched = watch;
    return &entry;
  }
  entry.transport = std::make_unique<TransportViewer>(service_, media::HelperConfig{config_.helper}, *entry.live,
                                                      TransportViewer::Events{events_.on_notice, events_.on_error});
  if (watch.out) {
    if (const auto opened = entry.transport->record_to(*watch.out); !opened) return std::unexpected(opened.error());
  }
  return &entry;
}

std::expected<player::Stream*, std::string> NodeImpl::watch(const Watch& watch) {
  const swarm::Link& link = watch.link;
  Entry* entry = nullptr;
  if (link.kind == swarm::LinkKind::live) {
    const auto live = watch_live(watch);
    if (!live) return std::unexpected(live.error());
    entry = *live;
  } else {
    Film film;
    film.hasher = crypto::make_hasher(link.hash_algorithm());
    film.metadata.id = link.id_bytes;
    film.metadata.hash = link.hash_algorithm();
    film.metadata.chunk_size = watch.chunk_size != 0 ? watch.chunk_size : link.chunk_size_bytes();
    film.metadata.addressing = link.addressing_method();
    film.metadata.content_bytes = link.size;
    store::DownloadOptions options;
    options.root = crypto::Digest{base::ByteView{link.id_bytes}};
    options.chunk_size = film.metadata.chunk_size;
    options.size = link.size;
    if (watch.out) {
      options.file = *watch.out;
    } else {
      auto cache = store::Cache::open(config_.cache_folder, config_.cache_quota);
      if (!cache) return std::unexpected(message(cache.error()));
      static_cast<void>(cache->evict());
      const auto place = cache->place_for(options.root, options.chunk_size);
      if (!place) return std::unexpected(message(place.error()));
      options.file = place->file;
      options.index_folder = place->index_folder;
    }
    auto opened = store::StaticStore::open_download(options, *film.hasher, net::steady_now());
    if (!opened) return std::unexpected(message(opened.error()));
    film.store = std::move(*opened);
    film.link = link;
    film.role = "watch";
    film.file_name = !link.title.empty() ? link.title : options.file.filename().string();
    entry = &add_film(std::move(film));
    StaticStream& stream = *entry->film;
    // The first bytes go ahead of all others: they make it playable.
    const SwarmHandle handle = entry->stream->handle();
    if (link.size) {
      stream.read(0, std::min<std::uint64_t>(*link.size, kPlayableBytes),
                  [this, handle](const std::expected<base::Bytes, std::string>& bytes) {
                    Entry* const e = entry_of(handle);
                    if (e == nullptr || !bytes) return;
                    e->film->set_first_bytes_here();
                    tell_playable(*e);
                  });
    }
    if (link.index) {
      if (const auto fetching = fetch_index(*entry, *link.index); !fetching) return std::unexpected(fetching.error());
    }
  }
  const SwarmHandle handle = entry->stream->handle();
  for (const swarm::LinkPeer& peer : link.peers) dial(handle, peer);
  for (const swarm::LinkPeer& peer : watch.peers) dial(handle, peer);
  call_anchors(*entry);
  to_service([this, handle] {
    if (Entry* e = entry_of(handle)) become_ready(*e);
  });
  return entry->stream.get();
}

// A film without an index of its own: the caster's, from its own little swarm, comes first.
std::expected<void, std::string> NodeImpl::fetch_index(Entry& entry, const swarm::LinkIndex& index) {
  if (index.size > kMaxScannedIndex) return std::unexpected("the link's seek index is too large to be one");
  Film film;
  film.link.id_bytes = index.root;
  film.link.size = index.size;
  film.hasher = crypto::make_hasher(film.link.hash_algorithm());
  film.metadata.id = index.root;
  film.metadata.hash = film.link.hash_algorithm();
  film.metadata.content_bytes = index.size;
  film.link.trackers = entry.stream->parsed_link().trackers;
  film.link.secret = entry.stream->parsed_link().secret;
  auto cache = store::Cache::open(config_.cache_folder, config_.cache_quota);
  if (!cache) return std::unexpected(message(cache.error()));
  const crypto::Digest root{base::ByteView{index.root}};
  const auto place = cache->place_for(root, swarm::kDefaultChunkSize);
  if (!place) return std::unexpected(message(place.error()));
  store::DownloadOptions options;
  options.file = place->file;
  options.index_folder = place->index_folder;
  options.root = root;
  options.size = index.size;
  auto opened = store::StaticStore::open_download(options, *film.hasher, net::steady_now());
  if (!opened) return std::unexpected(message(opened.error()));
  film.store = std::move(*opened);
  film.role = "watch";
  film.hidden = true;
  const SwarmHandle film_handle = entry.stream->handle();
  Entry& fetched = add_film(std::move(film));
  const SwarmHandle index_handle = fetched.stream->handle();
  for (const swarm::LinkPeer& peer : entries_[film_handle].stream->parsed_link().peers) dial(index_handle, peer);
  fetched.film->read(0, index.size, [this, film_handle](std::expected<base::Bytes, std::string> bytes) {
    if (Entry* e = entry_of(film_handle); e != nullptr && bytes) e->film->set_index(std::move(*bytes));
  });
  return {};
}

}  // namespace runnel::node

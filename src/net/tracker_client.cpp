#include "net/tracker_client.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "core/discovery/pex.hpp"
#include "net/asio_endpoint.hpp"
#include "net/clock.hpp"

namespace runnel::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using base::Endpoint;
using base::Time;
using boost::system::error_code;
using discovery::Announcer;
using discovery::InfoHash;
using discovery::TrackerCondition;
using discovery::TrackerScheme;
using discovery::TrackerState;

constexpr std::size_t kReceiveBuffer = 4096;  // our datagrams hold at most kMaxUdpTrackerDatagram; longer ones are cut
constexpr base::Duration kAddressLife = std::chrono::minutes{10};  // a name is looked up again after it
constexpr base::Duration kHttpTrackerTimeout = std::chrono::seconds{20};
constexpr std::size_t kMaxOwnAddresses = 64;
// BEP 3 URLs end in /announce; with it a link cannot aim requests at the web pages of a viewer's own network.
constexpr std::string_view kAnnouncePath = "/announce";

enum class Family : std::uint8_t { any, v4, v6 };
Family family_of(const Endpoint& endpoint) { return endpoint.address.is_v4() ? Family::v4 : Family::v6; }

// One announcer and what it has under way.
struct Entry {
  std::uint64_t id = 0;
  discovery::TrackerUrl url;
  InfoHash info_hash;
  TrackerClient::Callbacks callbacks;
  Announcer announcer;
  Family family = Family::any;      // the announcer of one family of a host with both, once that is known
  bool second_family = false;       // made by ourselves for the other family; its troubles are nobody's concern
  bool leaving = false;             // Stop was said
  TrackerState state;
  std::vector<Endpoint> addresses;  // of `family`, as last looked up
  std::size_t address = 0;          // the one in use; the next after a failure
  Time looked_up;
  Endpoint udp_remote;              // where the last datagram went
  std::unique_ptr<HttpTransfer> transfer;
};

}  // namespace

std::string message(TrackerClientError error) {
  switch (error) {
    case TrackerClientError::bad_url: return "not a tracker URL (try http://HOST:PORT/announce or udp://HOST:PORT)";
    case TrackerClientError::too_many: return "too many trackers";
    case TrackerClientError::stopping: return "trackers are being told goodbye";
  }
  return "unknown error";
}

struct TrackerClient::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& context, Config configuration)
      : io(context),
        config(std::move(configuration)),
        rng(config.rng_seed),
        secrets(config.secret),
        resolver(std::in_place, context),
        http(std::in_place, context, HttpClient::Config{.ca_file = config.ca_file}),
        socket(context),
        timer(context),
        own(config.own_addresses.begin(), config.own_addresses.end()) {}

  using EntryPtr = std::shared_ptr<Entry>;

  // A handler that does nothing once the client is gone.
  template <class Work>
  auto guarded(Work work) {
    return [weak = weak_from_this(), work = std::move(work)](auto&&... args) mutable {
      if (const auto alive = weak.lock()) work(std::forward<decltype(args)>(args)...);
    };
  }

  void add_entry(const discovery::TrackerUrl& url, const InfoHash& info_hash, Callbacks callbacks, const Entry* other_family) {
    crypto::SecretRng::Seed seed;
    for (std::size_t i = 0; i < seed.size(); i += 8) base::store_big_endian(seed.data() + i, secrets.next());
    Announcer announcer({.url = url,
                         .info_hash = info_hash,
                         .peer_id = config.peer_id,
                         .port = config.port,
                         .key = keys.try_emplace(info_hash, secrets.next_u32()).first->second,
                         .num_want = config.num_want},
                        rng.fork(), seed, steady_now());
    const std::uint64_t id = ++ids;
    const auto entry = std::make_shared<Entry>(
        Entry{.id = id, .url = url, .info_hash = info_hash, .callbacks = std::move(callbacks), .announcer = std::move(announcer)});
    if (other_family != nullptr) {
      entry->family = other_family->family == Family::v4 ? Family::v6 : Family::v4;
      entry->second_family = true;
    }
    if (const auto known = stats.find(info_hash); known != stats.end()) {
      entry->announcer.handle(Announcer::StatsChanged{known->second}, steady_now());
    }
    entries.emplace(id, entry);
    asio::post(io, guarded([this, id] { pump(id); }));
  }

  EntryPtr find(std::uint64_t id) {
    const auto found = entries.find(id);
    return found == entries.end() ? nullptr : found->second;
  }

  template <class Choice>
  void input(const Announcer::Input& what, Choice chosen) {
    std::vector<std::uint64_t> ids_now;
    for (const auto& [id, entry] : entries) {
      if (chosen(*entry)) ids_now.push_back(id);
      if (chosen(*entry) && std::holds_alternative<Announcer::Stop>(what)) entry->leaving = true;
    }
    for (const std::uint64_t id : ids_now) {
      if (const EntryPtr entry = find(id)) entry->announcer.handle(what, steady_now());
    }
    for (const std::uint64_t id : ids_now) asio::post(io, guarded([this, id] { pump(id); }));
  }

  void input(std::uint64_t id, const Announcer::Input& what) {
    if (const EntryPtr entry = find(id)) {
      entry->announcer.handle(what, steady_now());
      pump(id);
    }
  }

  void pump(std::uint64_t id) {
    const EntryPtr entry = find(id);
    if (!entry) return;
    while (auto output = entry->announcer.poll(steady_now())) {
      std::visit([&](auto& o) { act(entry, o); }, *output);
      if (!entries.contains(id)) break;
    }
    arm_timer();
  }

  void act(const EntryPtr& entry, const Announcer::SendHttp& send) {
    with_addresses(entry, send.request, [this, send](const EntryPtr& e) {
      HttpRequest request{.url = send.url, .timeout = kHttpTrackerTimeout, .addresses = e->addresses};
      request.private_path_prefix = kAnnouncePath;
      std::ranges::rotate(request.addresses, request.addresses.begin() + static_cast<std::ptrdiff_t>(e->address));
      const auto done = [this, id = e->id, number = send.request](std::expected<HttpResponse, HttpError> response) {
        http_done(id, number, response);
      };
      e->transfer = http->get(std::move(request), guarded(done));
    });
  }

  void http_done(std::uint64_t id, std::uint64_t number, const std::expected<HttpResponse, HttpError>& response) {
    const EntryPtr entry = find(id);
    if (!entry) return;
    entry->transfer.reset();
    if (!response) {
      entry->looked_up = Time{};
      return input(id, Announcer::SendFailed{number, message(response.error())});
    }
    learn_own(response->local);
    entry->udp_remote = {response->remote, 0};  // who tells the peers
    input(id, Announcer::HttpAnswered{number, response->status, base::as_bytes(response->body)});
  }

  void act(const EntryPtr& entry, const Announcer::SendUdp& send) {
    with_addresses(entry, send.request, [this, send](const EntryPtr& e) {
      const Endpoint to = e->addresses[e->address];
      e->udp_remote = to;
      if (!open_socket()) {
        const auto no_socket = [this, id = e->id, number = send.request] { input(id, Announcer::SendFailed{number, "no UDP socket"}); };
        return asio::post(io, guarded(no_socket));
      }
      auto bytes = std::make_shared<base::Bytes>(send.datagram);
      const auto sent = [this, bytes, id = e->id, number = send.request](error_code error, std::size_t) {
        if (error) input(id, Announcer::SendFailed{number, "cannot send: " + error.message()});
      };
      learn_local(to);
      const udp::endpoint remote = dual_stack ? to_asio_mapped(to) : to_asio<udp::endpoint>(to);
      socket.async_send_to(asio::buffer(*bytes), remote, guarded(sent));
    });
  }

  // The address that the system would send from: connecting a UDP socket asks it without sending anything.
  void learn_local(const Endpoint& to) {
    error_code error;
    udp::socket probe(io);
    probe.connect(to_asio<udp::endpoint>(to), error);
    const auto local = probe.local_endpoint(error);
    if (!error) learn_own(from_asio(local.address()));
  }

  // What connections and trackers show of us; trackers could show anything.
  void learn_own(const base::IpAddress& address) {
    if (own.size() < kMaxOwnAddresses) own.insert(address);
  }

  void act(const EntryPtr& entry, const Announcer::PeersFound& found) {
    if (found.external_address) learn_own(*found.external_address);
    std::vector<Endpoint> peers;
    for (const Endpoint& peer : found.peers) {
      const bool ourselves = peer.port == config.port && own.contains(peer.address);
      if (!ourselves && discovery::may_believe(peer.address, entry->udp_remote.address)) peers.push_back(peer);
    }
    if (!peers.empty() && entry->callbacks.on_peers) entry->callbacks.on_peers(peers);
  }

  void act(const EntryPtr& entry, const Announcer::StateChanged& change) {
    entry->state = change.state;
    // The next try goes to the host's next address.
    if (change.state.condition == TrackerCondition::failing && !entry->addresses.empty()) {
      entry->address = (entry->address + 1) % entry->addresses.size();
    }
    const bool hidden = entry->state.condition != TrackerCondition::working && (entry->second_family || twin_works(*entry));
    if (!hidden && entry->callbacks.on_state) entry->callbacks.on_state(entry->state);
  }

  void act(const EntryPtr& entry, const Announcer::Finished&) {
    entries.erase(entry->id);
    if (entries.empty() && on_stopped) asio::post(io, std::exchange(on_stopped, nullptr));
  }

  // A host with both families works when one of them does.
  [[nodiscard]] bool twin_works(const Entry& entry) const {
    return std::ranges::any_of(entries, [&](const auto& item) {
      const Entry& other = *item.second;
      return &other != &entry && same_target(other, entry) && other.state.condition == TrackerCondition::working;
    });
  }

  static bool same_target(const Entry& a, const Entry& b) { return a.info_hash == b.info_hash && a.url.to_string() == b.url.to_string(); }

  template <class Work>
  void with_addresses(const EntryPtr& entry, std::uint64_t number, Work work) {
    if (!entry->addresses.empty() && steady_now() - entry->looked_up < kAddressLife && entry->looked_up != Time{}) return work(entry);
    const auto done = [this, id = entry->id, number, work](const Resolver::Result& result) {
      const EntryPtr found = find(id);
      if (!found) return;
      if (!result) return input(id, Announcer::SendFailed{number, result.error()});
      take_addresses(found, *result);
      if (found->addresses.empty()) return input(id, Announcer::SendFailed{number, "no address of this family for " + found->url.host});
      work(found);
    };
    resolver->resolve(entry->url.host, entry->url.port, guarded(done));
  }

  void take_addresses(const EntryPtr& entry, const std::vector<Endpoint>& all) {
    const bool first = entry->family == Family::any;
    if (first) entry->family = family_of(all.front());
    entry->addresses.clear();
    std::ranges::copy_if(all, std::back_inserter(entry->addresses), [&](const Endpoint& e) { return family_of(e) == entry->family; });
    entry->address = entry->addresses.empty() ? 0 : entry->address % entry->addresses.size();
    entry->looked_up = steady_now();
    const bool both = entry->addresses.size() < all.size();
    if (first && both && !entry->leaving && entries.size() < kMaxAnnouncers)
      add_entry(entry->url, entry->info_hash, entry->callbacks, entry.get());
  }

  bool open_socket() {
    if (socket.is_open()) return true;
    error_code error;
    socket.open(udp::v6(), error);
    dual_stack = !error;
    if (dual_stack) socket.set_option(asio::ip::v6_only(false), error);
    if (dual_stack) socket.bind({udp::v6(), 0}, error);
    if (error) {  // a machine without IPv6
      dual_stack = false;
      socket.close(error);
      socket.open(udp::v4(), error);
      if (!error) socket.bind({udp::v4(), 0}, error);
      if (error) return false;
    }
    receive();
    return true;
  }

  void receive() {
    const auto received = [this](error_code error, std::size_t size) {
      if (error == asio::error::operation_aborted || !socket.is_open()) return;
      if (!error) datagram(base::ByteView{buffer}.first(size), from_asio_endpoint(from));
      receive();
    };
    socket.async_receive_from(asio::buffer(buffer), from, guarded(received));
  }

  void datagram(base::ByteView bytes, const Endpoint& sender) {
    std::vector<std::uint64_t> receivers;
    for (const auto& [id, entry] : entries) {
      if (entry->url.scheme == TrackerScheme::udp && entry->udp_remote == sender) receivers.push_back(id);
    }
    for (const std::uint64_t id : receivers) input(id, Announcer::UdpReceived{bytes, sender.address.is_v4()});
  }

  void arm_timer() {
    std::optional<Time> next;
    for (const auto& [id, entry] : entries) {
      const auto deadline = entry->announcer.next_deadline();
      if (deadline && (!next || *deadline < *next)) next = deadline;
    }
    if (!next) {
      armed_for.reset();
      timer.cancel();
      return;
    }
    if (armed_for == next) return;
    armed_for = next;
    timer.expires_after(std::max(base::Duration{}, *next - steady_now()));
    timer.async_wait(guarded([this](error_code error) {
      if (error) return;
      armed_for.reset();
      std::vector<std::uint64_t> due;
      for (const auto& [id, entry] : entries) {
        const auto deadline = entry->announcer.next_deadline();
        if (deadline && *deadline <= steady_now()) due.push_back(id);
      }
      for (const std::uint64_t id : due) pump(id);
      arm_timer();
    }));
  }

  asio::io_context& io;
  Config config;
  base::Rng rng;
  crypto::SecretRng secrets;
  std::optional<Resolver> resolver;  // gone, like `http`, as soon as the client is: before the io_context
  std::optional<HttpClient> http;
  udp::socket socket;  // of our own: the peers' socket is never seen by trackers (decision 17)
  bool dual_stack = false;
  std::array<std::byte, kReceiveBuffer> buffer{};
  udp::endpoint from;
  asio::steady_timer timer;
  std::optional<Time> armed_for;
  std::map<std::uint64_t, EntryPtr> entries;
  std::map<InfoHash, discovery::TransferStats> stats;  // of swarms with an entry
  std::map<InfoHash, std::uint32_t> keys;
  std::set<base::IpAddress> own;
  std::function<void()> on_stopped;
  bool stopping = false;
  std::uint64_t ids = 0;
};

TrackerClient::TrackerClient(asio::io_context& io, Config config) : impl_(std::make_shared<Impl>(io, std::move(config))) {}

TrackerClient::~TrackerClient() {
  error_code ignored;
  impl_->socket.close(ignored);
  impl_->timer.cancel();
  impl_->entries.clear();
  impl_->http.reset();
  impl_->resolver.reset();
}

std::expected<void, TrackerClientError> TrackerClient::add(std::string_view url, const InfoHash& info_hash, Callbacks callbacks) {
  if (impl_->stopping) return std::unexpected(TrackerClientError::stopping);
  const auto parsed = discovery::TrackerUrl::parse(url);
  if (!parsed) return std::unexpected(TrackerClientError::bad_url);
  const std::string canonical = parsed->to_string();
  for (const auto& [id, entry] : impl_->entries) {
    if (!entry->leaving && entry->info_hash == info_hash && entry->url.to_string() == canonical) return {};
  }
  if (impl_->entries.size() >= kMaxAnnouncers) return std::unexpected(TrackerClientError::too_many);
  impl_->add_entry(*parsed, info_hash, std::move(callbacks), nullptr);
  return {};
}

void TrackerClient::remove(const InfoHash& info_hash) {
  impl_->stats.erase(info_hash);
  impl_->keys.erase(info_hash);
  impl_->input(Announcer::Stop{}, [&](const Entry& entry) { return entry.info_hash == info_hash; });
}

void TrackerClient::set_stats(const InfoHash& info_hash, const discovery::TransferStats& stats) {
  impl_->stats[info_hash] = stats;
  impl_->input(Announcer::StatsChanged{stats}, [&](const Entry& entry) { return entry.info_hash == info_hash; });
}

void TrackerClient::set_stats(const discovery::TransferStats& stats) {
  std::set<InfoHash> all;
  for (const auto& [id, entry] : impl_->entries) all.insert(entry->info_hash);
  for (const InfoHash& info_hash : all) set_stats(info_hash, stats);
}

void TrackerClient::completed(const InfoHash& info_hash) {
  impl_->stats[info_hash].left = 0;
  impl_->input(Announcer::Completed{}, [&](const Entry& entry) { return entry.info_hash == info_hash; });
}

void TrackerClient::need_peers(const InfoHash& info_hash) {
  impl_->input(Announcer::NeedPeers{}, [&](const Entry& entry) { return entry.info_hash == info_hash; });
}

void TrackerClient::add_own_address(const base::IpAddress& address) { impl_->own.insert(address); }

std::vector<TrackerState> TrackerClient::states() const {
  std::vector<TrackerState> states;
  for (const auto& [id, entry] : impl_->entries) {
    const bool hidden = entry->second_family && entry->state.condition != TrackerCondition::working;
    if (!hidden && !entry->state.url.empty()) states.push_back(entry->state);
  }
  return states;
}

void TrackerClient::stop(std::function<void()> done) {
  impl_->stopping = true;
  if (impl_->entries.empty()) return asio::post(impl_->io, std::move(done));
  impl_->on_stopped = std::move(done);
  impl_->input(Announcer::Stop{}, [](const Entry&) { return true; });
}

}  // namespace runnel::net

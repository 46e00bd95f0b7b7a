// Whole engines against a model: a seed and a watcher of a file, or a source and a viewer of a stream, pushed or pulled, and an enemy who
// says anything to either at any time. The model is the content: nothing else is stored and nothing else leaves. Before the enemy has
// proved its address it gets no more bytes than it sent. In the end, left alone, the honest pair gets through.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/check.hpp"
#include "core/swarm/extensions.hpp"
#include "core/swarm/handshake.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "fuzz/input.hpp"
#include "support/virtual_swarm.hpp"
#include "support/wire_chunk.hpp"

using namespace runnel;
using namespace runnel::swarm;
using test::VirtualNetwork;
using test::VirtualNode;
using tree::ChunkIndex;
using tree::ChunkRange;
using wire::ChannelId;

namespace {

constexpr SwarmHandle kSwarm{1};
constexpr std::size_t kFileChunks = 40;  // more than a block of leaf hashes
constexpr std::uint32_t kChunkSize = 64;
constexpr int kMaxSteps = 48;
constexpr std::size_t kMaxOverheard = 16;
constexpr std::uint64_t kUnixSeconds = 1'700'000'000;
constexpr base::WallTime kWallStart{std::chrono::seconds{kUnixSeconds}};

// Signatures that cost nothing: a hash of key and message. The enemy does not know the key.
class Stamp final : public crypto::Signer, public crypto::Verifier {
 public:
  base::Bytes sign(base::ByteView message) override {
    base::Bytes text = base::to_bytes(base::as_bytes("not for enemies"));
    text.insert(text.end(), message.begin(), message.end());
    base::Bytes signature = base::to_bytes(hasher_->hash(text).view());
    signature.resize(signature_size());
    return signature;
  }
  bool verify(base::ByteView message, base::ByteView signature) override { return base::equal(sign(message), signature); }
  [[nodiscard]] std::size_t signature_size() const override { return 64; }
  [[nodiscard]] const base::Bytes& public_key() const override { return key_; }

 private:
  std::unique_ptr<crypto::Hasher> hasher_ = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  base::Bytes key_ = [] {
    base::Bytes key(33, std::byte{1});
    key[0] = static_cast<std::byte>(crypto::SignatureAlgorithm::ed25519);
    return key;
  }();
};

class World {
 public:
  enum class Kind : std::uint8_t { file, pushed, pulled };
  World(Kind kind, std::uint64_t seed)
      : live_(kind != Kind::file),
        push_(kind == Kind::pushed),
        net_(seed, {base::Duration{5'000}, base::Duration{1'000}, 0}),
        one_(net_.add()),
        other_(net_.add()) {
    for (VirtualNode* node : {&one_, &other_}) {
      node->on_send = [this, node](const base::Endpoint& to, base::ByteView bytes) { leaves(*node, to, bytes); };
    }
    if (live_)
      make_stream();
    else
      make_file();
    format_ = format_of(metadata_, live_ ? stamp_.signature_size() : 0);
    net_.input(other_, AddSwarm{kSwarm, metadata_, parts(other_), {}, true, SealPolicy::never, push_});
    net_.input(other_, AddPeers{kSwarm, {one_.endpoint}, true});
  }

  void step(fuzz::Input& input) {
    const std::uint8_t choice = input.octet();
    VirtualNode& victim = (choice & 128U) != 0 ? other_ : one_;
    switch (choice % 8) {
      case 0: call(victim, input.octet()); break;
      case 1: say(victim, base::to_bytes(input.piece())); break;
      case 2: say(victim, (choice & 8U) != 0 ? push_message(input) : message(input)); break;
      case 3: {
        base::Bytes datagram = base::to_bytes(input.piece());
        deliver(victim, datagram);
        break;
      }
      case 4: net_.run_until([] { return false; }, base::Duration{std::int64_t{input.octet()} * 10'000}); break;
      case 5: net_.input(other_, AddPeers{kSwarm, {enemy_}, (choice & 64U) != 0}); break;
      case 6: command(victim, input); break;
      case 7:
        if (live_) publish(input.octet());
        break;
    }
    check_stored();
  }

  // Without the enemy.
  void end() {
    for (VirtualNode* node : {&one_, &other_}) net_.input(*node, SetLimits{});
    if (live_) {
      const std::uint64_t newest = publish(50).value();
      const bool came = net_.run_until([&] { return other_.chunks.contains(newest); }, std::chrono::minutes{5});
      base::check(came, "the viewer goes on with the stream");
    } else {
      const bool came = net_.run_until([&] { return other_.chunks.size() == kFileChunks; }, std::chrono::minutes{20});
      base::check(came, "the watcher gets its file");
    }
    check_stored();
  }

 private:
  // ---- content ------------------------------------------------------------------------------------------------------
  void make_file() {
    const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
    std::vector<crypto::Digest> leaves;
    for (std::size_t i = 0; i < kFileChunks; ++i) {
      truth_[i] = base::Bytes(i + 1 == kFileChunks ? kChunkSize / 2 : kChunkSize, static_cast<std::byte>(i + 1));
      leaves.push_back(hasher->hash(truth_[i]));
    }
    metadata_.chunk_size = kChunkSize;
    metadata_.content_bytes = kFileChunks * kChunkSize - kChunkSize / 2;
    metadata_.id = base::to_bytes(tree::build_munro(one_.nodes, *hasher, tree::HashTree::root_bin(kFileChunks), leaves).view());
    one_.chunks = truth_;
    net_.input(one_, AddSwarm{kSwarm, metadata_, parts(one_), {{ChunkIndex{0}, ChunkIndex{kFileChunks - 1}}}, true});
  }
  void make_stream() {
    metadata_.live = true;
    metadata_.chunk_size = kChunkSize;
    metadata_.addressing = wire::AddressingMethod::chunks64;
    metadata_.id = stamp_.public_key();
    net_.input(one_, AddSwarm{kSwarm, metadata_, {&one_.nodes, one_.hasher.get(), &stamp_, &stamp_}, {}, true, SealPolicy::never, push_});
    publish(10);
  }
  SwarmParts parts(VirtualNode& node) { return {&node.nodes, node.hasher.get(), live_ ? &stamp_ : nullptr, nullptr}; }

  base::WallTime wall() const { return kWallStart + (net_.now - start_); }
  // The last chunk's index.
  ChunkIndex publish(std::uint8_t chunks) {
    const base::Bytes record((chunks % 48 + 1) * kChunkSize - 3, static_cast<std::byte>(chunks));
    const ChunkIndex first = indexer_.start_at(wall());
    indexer_.advance(first, record.size());
    // A record of more than a munro goes on in the next one.
    for (std::size_t at = 0, i = 0; at < record.size(); at += kChunkSize, ++i)
      truth_[first.value() + i] = base::to_bytes(base::ByteView{record}.subspan(at, std::min<std::size_t>(kChunkSize, record.size() - at)));
    for (VirtualNode* node : {&one_, &other_}) net_.input(*node, WallClock{wall()});
    net_.input(one_, Publish{kSwarm, first, record, wall()});
    return ChunkIndex{first.value() + (record.size() - 1) / kChunkSize};
  }

  // ---- the enemy ----------------------------------------------------------------------------------------------------
  void call(VirtualNode& victim, std::uint8_t version) {
    wire::Options options = initiating_options(metadata_, version % 2 == 0 ? Style::full : Style::plain);
    if (version % 4 == 3) options.version = wire::kVersionRfc;
    base::Bytes bytes(1'200);
    wire::Encoder encoder{bytes, format_};
    encoder.channel(wire::kNoChannel);
    encoder.handshake({ChannelId{0x0a00'0001U + version % 3}, options});
    deliver(victim, base::to_bytes(encoder.written()));
  }
  // On the newest channel that the victim gave the enemy.
  void say(VirtualNode& victim, base::Bytes messages) {
    base::Bytes bytes(wire::kChannelSize);
    base::store_big_endian(bytes.data(), contacts_[&victim].channel.value());
    bytes.insert(bytes.end(), messages.begin(), messages.end());
    deliver(victim, bytes);
  }
  // A message that can be read, about chunks that there are.
  base::Bytes message(fuzz::Input& input) {
    base::Bytes bytes(1'400);
    wire::Encoder e{bytes, format_};
    const std::uint8_t kind = input.octet();
    const std::uint64_t base_index = live_ && !truth_.empty() ? truth_.rbegin()->first / 32 * 32 : 0;
    const ChunkIndex first{base_index + input.octet() % 64};
    const ChunkRange range{first, ChunkIndex{first.value() + input.octet() % 32}};
    const std::uint64_t width = std::uint64_t{1} << (kind >> 4U) % 6;
    const std::uint64_t aligned = first.value() / width * width;
    const ChunkRange subtree{ChunkIndex{aligned}, ChunkIndex{aligned + width - 1}};
    const auto found = truth_.find(first.value());
    const base::Bytes payload =
        found != truth_.end() && kind % 2 == 0 ? found->second : base::Bytes(kChunkSize, static_cast<std::byte>(kind));
    switch (kind % 14) {
      case 0: e.have(range); break;
      case 1: e.request(range); break;
      case 2: e.cancel(range); break;
      case 3: e.ack(range, wire::DelaySample{input.word() * std::uint64_t{1'000'003}}); break;
      case 4:
      case 5: e.data(first, wire::NodeTimestamp{input.word()}, payload); break;
      case 6: e.integrity(subtree, crypto::Digest{base::Bytes(format_.hash_size, static_cast<std::byte>(kind))}); break;
      case 7:
        e.signed_integrity(subtree, wire::NtpTimestamp{base::to_ntp(wall())}, base::Bytes(format_.signature_size, std::byte{9}));
        break;
      case 8: kind % 5 == 0 ? e.choke() : e.unchoke(); break;
      case 9: e.pex_req(); break;
      case 10: e.pex_res({base::IpAddress::v4({10, 0, 0, input.octet()}), input.word()}); break;
      case 11: e.extension(1, base::Bytes(input.octet() % 32, static_cast<std::byte>(kind))); break;
      case 12:
      case 13: e.message(wire::Pushed{first, input.word(), payload}); break;
    }
    return base::to_bytes(e.written());
  }
  // What pushers say to each other, about munros that there are, and the HELLO before which none of it counts.
  static constexpr unsigned kKinds = 16;
  base::Bytes push_message(fuzz::Input& input) {
    base::Bytes bytes(1'400);
    wire::Encoder e{bytes, format_};
    const std::uint8_t kind = input.octet();
    if (kind % kKinds == 0) {
      e.extension(kHelloType, encode_hello({tag(input.octet()).value(), kind, kAbleToPush}));
    } else if (kind % kKinds == 1) {
      e.extension(Bundle::kType, bundle(input));
    } else {
      const PushMessage message = tree_message(kind, input);
      e.extension(type_of(message), encode_push(message));
    }
    return base::to_bytes(e.written());
  }
  PushMessage tree_message(std::uint8_t kind, fuzz::Input& input) {
    const auto tree = static_cast<std::uint8_t>(input.below(kTrees));
    switch (kind % kKinds) {
      case 2: return Accept{tree, path(input)};
      case 3: return Refuse{tree, static_cast<Refuse::Reason>(input.below(3)), tag(input.octet())};
      case 4: return Redirect{tree, tag(input.octet())};
      case 5: return Unsubscribe{tree};
      case 6: return PathNews{tree, path(input)};
      case 7: return HaveMap{map(input)};
      case 8: return Nack{map(input)};
      case 9: return Busy{input.word(), map(input)};
      case 10: return Subscribe{tree, input.octet()};
      case 11: return roots(input);
      case 12: return Train{input.word(), input.octet(), Train::kHead + input.octet()};
      case 13: return Spread{input.word(), input.octet(), input.word()};
      case 14: return Introduce{tag(input.octet())};
      default: return advert(input);
    }
  }
  // Another's, the enemy's own, or one that nobody has.
  NodeTag tag(std::uint8_t choice) const {
    if (choice < 64 && !tags_.empty()) return tags_[choice % tags_.size()];
    return NodeTag{choice};
  }
  Roots roots(fuzz::Input& input) const {
    Roots roots;
    for (NodeTag& root : roots.roots) root = tag(input.octet());
    return roots;
  }
  Path path(fuzz::Input& input) const {
    Path path(input.below(kMaxPath + 1));
    for (NodeTag& step : path) step = tag(input.octet());
    return path;
  }
  std::uint64_t munro(fuzz::Input& input) const {
    return munro_number(ChunkIndex{truth_.empty() ? 0 : truth_.rbegin()->first}) + input.below(4);
  }
  MunroMap map(fuzz::Input& input) const {
    MunroMap map;
    std::uint64_t at = munro(input);
    at -= std::min<std::uint64_t>(at, input.octet());
    for (std::size_t left = input.below(8); left > 0; --left, at += 1 + input.below(160))
      map.entries.push_back(input.octet() % 4 == 0 ? MunroMap::Entry{at, true, 0}
                                                   : MunroMap::Entry{at, false, input.word() * 65'537U | 1U});
    return map;
  }
  static Advert advert(fuzz::Input& input) {
    Advert advert{input.word(),           input.octet(), input.octet(),         input.word() * 65'537U,
                  input.word() * 65'537U, input.word(),  input.word() * 65'537U};
    advert.lag.fill(input.octet());
    advert.weakest_rank.fill(input.octet());
    return advert;
  }
  // One that the source made, whole or with an octet changed, or one that nobody made.
  base::Bytes bundle(fuzz::Input& input) const {
    if (bundles_.empty() || input.octet() % 4 == 0) {
      Bundle bundle{munro(input), wire::NtpTimestamp{base::to_ntp(wall())}, base::Bytes(format_.signature_size, std::byte{9}), {}};
      bundle.leaves.assign(1 + input.below(kPushMunroWidth), crypto::Digest{base::Bytes(format_.hash_size, std::byte{7})});
      return encode_push(bundle);
    }
    base::Bytes bytes = bundles_[input.octet() % bundles_.size()];
    bytes[input.word() % bytes.size()] ^= static_cast<std::byte>(input.octet());
    return bytes;
  }
  void deliver(VirtualNode& victim, const base::Bytes& bytes) {
    Contact& contact = contacts_[&victim];
    contact.received += bytes.size();
    const auto parts = wire::split_datagram(bytes);
    if (parts && contact.given.contains(parts->channel.value())) contact.proved = true;
    const DatagramIn datagram{enemy_, bytes, std::nullopt};
    net_.input(victim, DatagramsIn{{&datagram, 1}});
  }
  void command(VirtualNode& victim, fuzz::Input& input) {
    const std::uint8_t kind = input.octet();
    const ChunkIndex first{input.octet() % kFileChunks};
    switch (kind % 4) {
      case 0:
        if (!live_) net_.input(other_, Want{kSwarm, kind, {first, first}, net_.now + std::chrono::seconds{1}});
        break;
      case 1: net_.input(victim, SetLimits{kind * 1'000ULL, kind * 900ULL, kind % 3 == 0}); break;
      case 2: net_.input(victim, CallFailed{contacts_[&victim].channel, CallFailed::Why::ourselves}); break;
      case 3: net_.input(other_, Unwant{kSwarm, kind}); break;
    }
  }

  // ---- the model ----------------------------------------------------------------------------------------------------
  void leaves(VirtualNode& from, const base::Endpoint& to, base::ByteView bytes) {
    const auto parts = wire::split_datagram(bytes);
    base::check(parts.has_value(), "a datagram names a channel");
    wire::Decoder decoder{parts->messages, format_};
    bool is_call = false;
    while (true) {
      const auto message = decoder.next();
      base::check(message.has_value(), "what an engine says can be read");
      if (!*message) break;
      if (const auto chunk = test::chunk_of(**message)) {
        const auto known = truth_.find(chunk->index.value());
        base::check(known != truth_.end() && base::equal(known->second, chunk->payload), "nothing else leaves");
        base::check(to != enemy_ || contacts_[&from].proved, "nothing heavy before the address is proved");
      }
      if (const auto* extension = std::get_if<wire::Extension>(&**message)) overhear(*extension);
      const auto* handshake = std::get_if<wire::Handshake>(&**message);
      if (handshake == nullptr || to != enemy_ || handshake->is_close()) continue;
      is_call = parts->channel == wire::kNoChannel;
      contacts_[&from].channel = handshake->source;
      contacts_[&from].given.insert(handshake->source.value());
    }
    if (to != enemy_ || is_call) return;  // a call goes to an address that somebody else named
    Contact& contact = contacts_[&from];
    contact.sent += bytes.size();
    base::check(contact.proved || contact.sent <= contact.received, "no amplification");
  }
  // What the enemy can repeat of what others say.
  void overhear(const wire::Extension& extension) {
    if (extension.type == kHelloType) {
      const auto hello = decode_hello(extension.value);
      base::check(hello.has_value(), "a HELLO can be read");
      const NodeTag tag{static_cast<std::uint32_t>(hello->node_id)};
      if (std::ranges::find(tags_, tag) == tags_.end()) tags_.push_back(tag);
      return;
    }
    base::check(decode_push(extension.type, extension.value, format_).has_value(), "what a pusher says can be read");
    if (extension.type == Bundle::kType && bundles_.size() < kMaxOverheard) bundles_.push_back(base::to_bytes(extension.value));
  }
  void check_stored() {
    for (const auto& [index, bytes] : other_.chunks) {
      const auto known = truth_.find(index);
      base::check(known != truth_.end() && known->second == bytes, "nothing else is stored");
    }
    for (VirtualNode* node : {&one_, &other_}) {
      const auto state = node->engine.state(kSwarm, net_.now);
      base::check(state && state->peers.size() <= 256 && state->known_peers <= 2'000, "tables keep their limits");
    }
  }

  struct Contact {
    ChannelId channel;  // the newest that the victim gave the enemy
    std::set<std::uint32_t> given;
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
    bool proved = false;
  };

  bool live_;
  bool push_;
  VirtualNetwork net_;
  VirtualNode& one_;
  VirtualNode& other_;
  const base::Time start_ = net_.now;
  const base::Endpoint enemy_{base::IpAddress::v4({10, 0, 0, 66}), 7000};
  Stamp stamp_;
  Metadata metadata_;
  wire::Format format_;
  LiveIndexer indexer_{tree::kDefaultMunroWidth, kChunkSize, std::nullopt};
  std::map<std::uint64_t, base::Bytes> truth_;
  std::map<const VirtualNode*, Contact> contacts_;
  std::vector<NodeTag> tags_;  // of who said HELLO
  std::vector<base::Bytes> bundles_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  const std::uint8_t kind = input.octet();
  const World::Kind pulled_or_pushed = (kind & 2U) != 0 ? World::Kind::pulled : World::Kind::pushed;
  World world{(kind & 1U) != 0 ? pulled_or_pushed : World::Kind::file, kind};
  for (int steps = 0; steps < kMaxSteps && !input.empty(); ++steps) world.step(input);
  world.end();
  return 0;
}

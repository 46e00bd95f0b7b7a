// Enemies of their own making: hosts without an engine, which keep the protocol only as far as it serves them. Enemies that are an engine
// with spoilt datagrams are Node's (Mangling).
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "base/rng.hpp"
#include "core/wire/encoder.hpp"
#include "core/wire/message.hpp"
#include "sim/node.hpp"

namespace runnel::sim {

struct EnemyModel {
  enum class Kind : std::uint8_t {
    flooder,       // comes in and sends every type of message, sense or nonsense
    forger,        // calls from addresses that are not its own, and from its own again and again
    thief,         // speaks on channel ids that it saw others use, from its own address
    replayer,      // live: shows the munros that it saw, again and long after
    liar,          // claims all there is and gives nothing
    dripper,       // claims all there is and gives a true chunk every second
    root_forger,   // files: offers the root's two children as a one-chunk file
  };
  Kind kind = Kind::flooder;
  std::uint32_t count = 1;
  double per_second = 100;   // datagrams of each, all its victims together
};

class Enemy final : public Host {
 public:
  Enemy(World world, Place& place, const EnemyModel& model);
  Enemy(const Enemy&) = delete;
  Enemy& operator=(const Enemy&) = delete;

  // One more to turn on.
  void aim_at(const base::Endpoint& victim);
  // What passes on the wire, for those who listen.
  void overhear(const base::Endpoint& from, const base::Endpoint& to, base::ByteView bytes);
  void receive(const Packet& packet) override;
  void wake() override;

  [[nodiscard]] base::Endpoint endpoint() const { return place_.endpoint(); }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

 private:
  struct Victim {
    base::Endpoint endpoint;
    wire::ChannelId ours;                    // named in our call
    std::optional<wire::ChannelId> theirs;   // once it answered
    base::Time next_gift;                    // dripper
  };
  struct Overheard {
    base::Endpoint to;
    wire::ChannelId channel;
  };
  struct Munro {
    tree::ChunkRange range;
    crypto::Digest hash;
    wire::NtpTimestamp timestamp;
    base::Bytes signature;
  };

  void attack(Victim& victim);
  void flood(Victim& victim);
  void forge(const Victim& victim);
  void steal();
  void replay(Victim& victim);
  void claim(Victim& victim);
  void give(Victim& victim, tree::ChunkRange asked);
  void call(Victim& victim);
  void answer(const Packet& packet, const wire::Handshake& handshake);
  [[nodiscard]] std::optional<tree::ChunkRange> all_there_is() const;
  [[nodiscard]] tree::ChunkRange any_range();
  Victim* victim_at(const base::Endpoint& endpoint);

  // Sends what `write(wire::Encoder&)` puts behind the channel.
  template <class Write>
  void say(const base::Endpoint& source, const base::Endpoint& to, wire::ChannelId channel, bool corrupt, Write write) {
    base::Bytes bytes(1'400);
    wire::Encoder encoder{bytes, format_};
    encoder.channel(channel);
    write(encoder);
    bytes.resize(encoder.size());
    ++sent_;
    place_.send(source, to, std::move(bytes), corrupt);
  }

  World world_;
  Place& place_;
  EnemyModel model_;
  wire::Format format_;
  base::Rng rng_;
  std::unique_ptr<crypto::Hasher> hasher_;
  std::vector<Victim> victims_;
  std::size_t next_victim_ = 0;
  std::vector<Overheard> channels_;   // thief
  std::vector<Munro> munros_;         // replayer
  std::map<tree::ChunkRange, crypto::Digest> hashes_;
  double owed_ = 0;                   // datagrams that its rate allows by now
  std::uint64_t sent_ = 0;
};

}  // namespace runnel::sim

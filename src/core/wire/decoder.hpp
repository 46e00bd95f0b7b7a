// From a datagram to messages (RFC 7574 section 8). No state beyond the datagram, no allocation.
#pragma once
#include <expected>
#include <optional>

#include "base/bytes.hpp"
#include "core/wire/error.hpp"
#include "core/wire/message.hpp"
#include "core/wire/types.hpp"

namespace runnel::wire {

struct Datagram {
  ChannelId channel;        // the receiver's (RFC 7574 8.3)
  base::ByteView messages;  // empty: a keep-alive. Lives as long as the datagram.
};

// nullopt if it is too short to name a channel.
std::optional<Datagram> split_datagram(base::ByteView datagram);

// The messages of one datagram, strictly in order. One owner; `messages` must outlive the decoder and what it gives.
class Decoder {
 public:
  // A HANDSHAKE, which can only stand first, decodes whatever the format; where one has just set the format, go on with
  // set_format().
  Decoder(base::ByteView messages, const Format& format) : reader_(messages), format_(format) {}
  // For the messages that follow.
  void set_format(const Format& format) { format_ = format; }

  // The next message; nullopt at the end of the datagram. The first invalid message ends the decoding: this and every later
  // call give its error, and nothing behind it is read (RFC 7574 3: it and all that follow are dropped).
  std::expected<std::optional<Message>, Error> next();

 private:
  std::expected<Message, Error> read_message();
  std::expected<Message, Error> read_handshake();
  std::expected<Message, Error> read_data();
  std::expected<Message, Error> read_ack();
  std::expected<Message, Error> read_integrity();
  std::expected<Message, Error> read_signed_integrity();
  std::expected<Message, Error> read_pex_res_v4();
  std::expected<Message, Error> read_pex_res_v6();
  std::expected<Message, Error> read_pex_res_cert();
  std::expected<Message, Error> read_extension();
  std::expected<Message, Error> read_pushed();
  std::expected<base::ByteView, Error> read_payload();
  template <class RangeMessage>
  std::expected<Message, Error> read_range();

  base::Reader reader_;
  Format format_;
  std::optional<Error> error_;
  bool first_ = true;
};

}  // namespace runnel::wire

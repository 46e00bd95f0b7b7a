#include "net/udp_socket.hpp"

#include "net/clock.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <set>

namespace runnel::net {
namespace {

using base::Bytes;
using base::ByteView;
using base::Endpoint;
using base::MutableByteView;

// What the kernel is made to do while a KernelGate lives. On loopback a send buffer never fills and no interface refuses, so
// this program's own sendmmsg stands before the system call.
struct KernelMood {
  int messages_before_full = -1;   // no limit
  int refuse_trains_with = 0;      // an errno
  int refuse_all_with = 0;
};
KernelMood mood;

class KernelGate {
 public:
  explicit KernelGate(KernelMood as) { mood = as; }
  ~KernelGate() { mood = {}; }
  KernelGate(const KernelGate&) = delete;
  KernelGate& operator=(const KernelGate&) = delete;
};

Endpoint place(const char* text) { return *Endpoint::parse(text); }

std::unique_ptr<UdpSocket> open(const char* at, const UdpSocketOptions& options = {}) {
  auto socket = UdpSocket::open(place(at), options);
  if (!socket) {
    ADD_FAILURE() << message(socket.error());
    return nullptr;
  }
  return std::move(*socket);
}

bool ready(const UdpSocket& socket, short events, int timeout_ms = 10'000) {
  pollfd waited{.fd = static_cast<int>(socket.native_handle()), .events = events, .revents = 0};
  return ::poll(&waited, 1, timeout_ms) == 1;
}

// How many trains were there to be read, of one at most.
std::size_t receive_one(UdpSocket& socket) {
  std::vector<ReceivedDatagrams> out(1);
  Bytes buffer(kReceiveBufferBytes);
  const MutableByteView view{buffer};
  return socket.receive({&view, 1}, out);
}

Bytes bytes_of(std::size_t size, unsigned seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(seed * 31 + i * 7 + i / 251);
  return bytes;
}

struct Arrived {
  Endpoint from;
  Bytes bytes;
};

// Collects datagrams until there are `count` of them or ten seconds have passed without one.
class Collector {
 public:
  std::vector<Arrived> collect(UdpSocket& socket, std::size_t count) {
    std::vector<Arrived> all;
    while (all.size() < count && ready(socket, POLLIN)) {
      std::vector<ReceivedDatagrams> trains(kMaxBatch);
      const std::size_t got = socket.receive(views_, trains);
      for (std::size_t t = 0; t < got; ++t) {
        longest_train_ = std::max(longest_train_, trains[t].count());
        for (std::size_t i = 0; i < trains[t].count(); ++i) all.push_back({trains[t].peer, base::to_bytes(trains[t].datagram(i))});
      }
    }
    return all;
  }
  [[nodiscard]] std::size_t longest_train() const { return longest_train_; }

  Collector() : buffers_(kMaxBatch, Bytes(kReceiveBufferBytes)) {
    for (Bytes& buffer : buffers_) views_.emplace_back(buffer);
  }

 private:
  std::vector<Bytes> buffers_;
  std::vector<MutableByteView> views_;
  std::size_t longest_train_ = 0;
};

class Pair : public ::testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  Pair() : a_(open(std::get<0>(GetParam()), options())), b_(open(std::get<0>(GetParam()), options())) {}
  static UdpSocketOptions options() { return {.use_offload = std::get<1>(GetParam())}; }
  std::unique_ptr<UdpSocket> a_, b_;
  Collector collector_;
};

TEST_P(Pair, a_datagram_arrives_with_its_sender) {
  const Bytes hello = bytes_of(100, 1);
  const Datagrams train{.peer = b_->local(), .bytes = hello};
  const auto sent = a_->send({&train, 1});
  EXPECT_EQ(sent.trains, 1U);
  const auto got = collector_.collect(*b_, 1);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].bytes, hello);
  EXPECT_EQ(got[0].from, a_->local());
  EXPECT_NE(a_->local().port, 0);
}

TEST_P(Pair, tells_how_long_a_datagram_waited_to_be_read) {
  const Bytes hello = bytes_of(100, 1);
  const Datagrams train{.peer = b_->local(), .bytes = hello};
  const base::WallTime before = wall_now();
  ASSERT_EQ(a_->send({&train, 1}).trains, 1U);
  ASSERT_TRUE(ready(*b_, POLLIN));
  EXPECT_FALSE(ready(*a_, POLLIN, 20)) << "nobody sends there: this only takes its time";
  Bytes buffer(kReceiveBufferBytes);
  const MutableByteView view{buffer};
  std::vector<ReceivedDatagrams> got(1);
  ASSERT_EQ(b_->receive({&view, 1}, got), 1U);
  EXPECT_GE(got[0].waited, std::chrono::milliseconds{20});
  EXPECT_LE(got[0].waited, wall_now() - before);
}

TEST_P(Pair, trains_of_any_length_arrive_cut_where_they_were) {
  for (const std::size_t segment : {1U, 100U, 1100U, 1472U, 9000U}) {
    for (const std::size_t size : {std::size_t{1}, segment, segment + 1, 5 * segment, 64 * segment + segment / 2 + 1}) {
      const Bytes bytes = bytes_of(size, static_cast<unsigned>(segment + size));
      const Datagrams train{.peer = b_->local(), .bytes = bytes, .segment_size = static_cast<std::uint16_t>(segment)};
      ASSERT_EQ(a_->send({&train, 1}).trains, 1U);
      const auto got = collector_.collect(*b_, train.count());
      ASSERT_EQ(got.size(), train.count()) << segment << ' ' << size;
      std::multiset<Bytes> expected, arrived;   // loopback keeps the order, but nothing promises it
      for (std::size_t i = 0; i < train.count(); ++i) expected.insert(base::to_bytes(train.datagram(i)));
      for (const Arrived& datagram : got) arrived.insert(datagram.bytes);
      EXPECT_EQ(arrived, expected) << segment << ' ' << size;
    }
  }
}

TEST_P(Pair, many_trains_to_many_places_go_in_one_call) {
  auto c = open(std::get<0>(GetParam()), options());
  std::vector<Bytes> bytes;
  std::vector<Datagrams> trains;
  for (unsigned i = 0; i < 150; ++i) bytes.push_back(bytes_of(1 + i * 13, i));
  for (unsigned i = 0; i < 150; ++i) trains.push_back({.peer = (i % 2 == 0 ? b_ : c)->local(), .bytes = bytes[i], .segment_size = 500});
  const auto before = a_->stats().send_calls;
  EXPECT_EQ(a_->send(trains).trains, 150U);
  if (a_->sends_segments()) {
    EXPECT_LE(a_->stats().send_calls - before, 150 / kMaxBatch + 1);
  }
  std::size_t to_b = 0, to_c = 0;
  for (unsigned i = 0; i < 150; ++i) (i % 2 == 0 ? to_b : to_c) += trains[i].count();
  EXPECT_EQ(collector_.collect(*b_, to_b).size(), to_b);
  EXPECT_EQ(collector_.collect(*c, to_c).size(), to_c);
  EXPECT_EQ(a_->stats().sent_datagrams, to_b + to_c);
  EXPECT_EQ(b_->stats().received_datagrams, to_b);
}

TEST_P(Pair, an_empty_datagram_is_a_datagram) {
  const Datagrams train{.peer = b_->local()};
  EXPECT_EQ(a_->send({&train, 1}).trains, 1U);
  const auto got = collector_.collect(*b_, 1);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_TRUE(got[0].bytes.empty());
}

TEST_P(Pair, a_closed_port_is_counted_and_disturbs_nobody) {
  const Endpoint gone = open(std::get<0>(GetParam()))->local();
  const Bytes hello = bytes_of(50, 1);
  const Datagrams to_gone{.peer = gone, .bytes = hello}, to_b{.peer = b_->local(), .bytes = hello};
  EXPECT_EQ(a_->send({&to_gone, 1}).trains, 1U);
  ASSERT_TRUE(ready(*a_, POLLIN)) << "the error wakes whoever waits";
  EXPECT_EQ(a_->send({&to_b, 1}).trains, 1U);
  EXPECT_EQ(collector_.collect(*b_, 1).size(), 1U);
  EXPECT_EQ(a_->stats().unreachable, 1U);
  EXPECT_EQ(a_->stats().send_failures, 0U);
  EXPECT_EQ(a_->send({&to_gone, 1}).trains, 1U);
  ASSERT_TRUE(ready(*a_, POLLIN));
  EXPECT_EQ(receive_one(*a_), 0U);
  EXPECT_EQ(a_->stats().unreachable, 2U);
}

// sendmmsg takes the error away without a word when it has sent something, and leaves what belongs to it in the queue of errors.
TEST_P(Pair, an_error_that_a_batch_swallowed_does_not_wake_for_ever) {
  const Endpoint gone = open(std::get<0>(GetParam()))->local();
  const Bytes hello = bytes_of(50, 1);
  const std::array<Datagrams, 3> batch{Datagrams{.peer = gone, .bytes = hello}, Datagrams{.peer = b_->local(), .bytes = hello},
                                       Datagrams{.peer = b_->local(), .bytes = hello}};
  EXPECT_EQ(a_->send(batch).trains, 3U);
  EXPECT_EQ(collector_.collect(*b_, 2).size(), 2U);
  ASSERT_TRUE(ready(*a_, POLLIN));
  EXPECT_EQ(receive_one(*a_), 0U);
  EXPECT_EQ(a_->stats().unreachable, 1U);
  EXPECT_FALSE(ready(*a_, POLLIN, 0)) << "a loop that waits for datagrams would spin";
}

TEST_P(Pair, nothing_waits_is_no_error) {
  std::vector<ReceivedDatagrams> out(4);
  Bytes buffer(kReceiveBufferBytes);
  const MutableByteView view{buffer};
  EXPECT_EQ(a_->receive({&view, 1}, out), 0U);
  EXPECT_EQ(a_->receive({}, out), 0U);
  EXPECT_EQ(a_->send({}).trains, 0U);
}

TEST_P(Pair, what_can_never_be_sent_is_given_up_and_the_rest_goes_on) {
  const Bytes huge(65'530), hello = bytes_of(10, 1);   // longer than a UDP datagram can be
  const std::vector<Datagrams> trains{{.peer = b_->local(), .bytes = huge}, {.peer = b_->local(), .bytes = hello}};
  EXPECT_EQ(a_->send(trains).trains, 2U);
  EXPECT_EQ(collector_.collect(*b_, 1).size(), 1U);
  EXPECT_EQ(a_->stats().send_failures, 1U);
}

INSTANTIATE_TEST_SUITE_P(Loopback, Pair, ::testing::Combine(::testing::Values("127.0.0.1:0", "[::1]:0"), ::testing::Bool()),
                         [](const auto& param_info) {
                           return std::string{std::string_view{std::get<0>(param_info.param)}.starts_with('[') ? "v6" : "v4"} +
                                  (std::get<1>(param_info.param) ? "_with_offload" : "_without_offload");
                         });

TEST(UdpSocket, one_socket_speaks_both_families) {
  auto both = open("0.0.0.0:0");
  auto v4 = open("127.0.0.1:0"), v6 = open("[::1]:0");
  Collector collector;
  const Bytes hello = bytes_of(10, 1);
  for (UdpSocket* const other : {v4.get(), v6.get()}) {
    const Datagrams out{.peer = other->local(), .bytes = hello};
    EXPECT_EQ(both->send({&out, 1}).trains, 1U);
    const auto got = collector.collect(*other, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].from.port, both->local().port);
    EXPECT_TRUE(got[0].from.address.is_loopback());
    const Datagrams back{.peer = got[0].from, .bytes = hello};
    EXPECT_EQ(other->send({&back, 1}).trains, 1U);
    const auto answer = collector.collect(*both, 1);
    ASSERT_EQ(answer.size(), 1U);
    EXPECT_EQ(answer[0].from, other->local());
  }
}

TEST(UdpSocket, kernels_with_offload_carry_trains_whole) {
  auto a = open("127.0.0.1:0"), b = open("127.0.0.1:0");
  if (!a->sends_segments() || !b->receives_trains()) {
    std::cout << "this kernel has no UDP_SEGMENT or no UDP_GRO: nothing to see here\n";
    return;
  }
  const Bytes bytes = bytes_of(40 * 1100, 1);
  const Datagrams train{.peer = b->local(), .bytes = bytes, .segment_size = 1100};
  EXPECT_EQ(a->send({&train, 1}).trains, 1U);
  Collector collector;
  EXPECT_EQ(collector.collect(*b, 40).size(), 40U);
  EXPECT_EQ(a->stats().send_calls, 1U);
  EXPECT_EQ(collector.longest_train(), 40U);
}

TEST(UdpSocket, a_full_socket_takes_a_part_and_the_rest_later) {
  auto a = open("127.0.0.1:0"), b = open("127.0.0.1:0");
  const Bytes bytes = bytes_of(200 * 1000, 1);
  const std::vector<Datagrams> trains(2, {.peer = b->local(), .bytes = bytes, .segment_size = 1000});
  std::size_t taken = 0;   // bytes
  {
    const KernelGate gate({.messages_before_full = 5});
    const auto sent = a->send(trains);
    taken = sent.trains * bytes.size() + sent.bytes_of_next;
    EXPECT_EQ(taken / 1000, a->sends_segments() ? 200 + 64U : 5U)
        << "200 datagrams are four pieces of at most 64, the fifth is of the second train";
    EXPECT_EQ(taken % 1000, 0U);
    const auto still_full = a->send(trains);
    EXPECT_EQ(still_full.trains, 0U);
    EXPECT_EQ(still_full.bytes_of_next, 0U);
  }
  EXPECT_EQ(a->stats().send_failures, 0U);
  const std::uint64_t first = a->stats().sent_datagrams;
  Collector collector;
  EXPECT_EQ(collector.collect(*b, first).size(), first);
  ASSERT_TRUE(ready(*a, POLLOUT));
  const std::size_t next = taken % bytes.size();
  const Datagrams rest{.peer = b->local(), .bytes = ByteView{bytes}.subspan(next), .segment_size = 1000};
  EXPECT_EQ(a->send({&rest, 1}).trains, 1U);
  const auto got = collector.collect(*b, rest.count());
  ASSERT_EQ(got.size(), rest.count());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(base::equal(got[i].bytes, rest.datagram(i))) << i;
}

TEST(UdpSocket, goes_on_one_by_one_where_an_interface_refuses_trains) {
  for (const int os_error : {EIO, EINVAL, EMSGSIZE}) {
    auto a = open("127.0.0.1:0"), b = open("127.0.0.1:0");
    if (!a->sends_segments()) {
      std::cout << "this kernel has no UDP_SEGMENT: nothing to refuse\n";
      return;
    }
    const KernelGate gate({.refuse_trains_with = os_error});
    const Bytes bytes = bytes_of(100 * 700 + 50, 1);
    const Datagrams train{.peer = b->local(), .bytes = bytes, .segment_size = 700};
    EXPECT_EQ(a->send({&train, 1}).trains, 1U);
    Collector collector;
    EXPECT_EQ(collector.collect(*b, 101).size(), 101U);
    EXPECT_FALSE(a->sends_segments());
    EXPECT_EQ(a->stats().send_failures, 0U);
  }
}

TEST(UdpSocket, gives_a_datagram_up_that_fails_again_and_again) {
  auto a = open("127.0.0.1:0"), b = open("127.0.0.1:0");
  const Bytes hello = bytes_of(10, 1);
  const std::vector<Datagrams> trains(3, {.peer = b->local(), .bytes = hello});
  {
    const KernelGate gate({.refuse_all_with = EHOSTUNREACH});
    EXPECT_EQ(a->send(trains).trains, 3U);
  }
  EXPECT_EQ(a->stats().send_failures, 3U);
  EXPECT_LE(a->stats().send_calls, 9U);
}

TEST(UdpSocket, counts_what_the_kernel_dropped) {
  auto a = open("127.0.0.1:0"), b = open("127.0.0.1:0", {.receive_buffer_bytes = 1});
  const Bytes bytes = bytes_of(1000, 1);
  const std::vector<Datagrams> trains(200, {.peer = b->local(), .bytes = bytes});
  EXPECT_EQ(a->send(trains).trains, 200U);
  Collector collector;
  std::size_t got = collector.collect(*b, 1).size();
  // The count comes with the next datagram that arrives.
  EXPECT_EQ(a->send({trains.data(), 1}).trains, 1U);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (got + b->stats().kernel_drops < 201 && std::chrono::steady_clock::now() < deadline) got += collector.collect(*b, 1).size();
  EXPECT_GT(b->stats().kernel_drops, 0U);
  EXPECT_EQ(got + b->stats().kernel_drops, 201U);
}

TEST(UdpSocket, drops_what_is_longer_than_the_buffer) {
  auto a = open("127.0.0.1:0"), b = open("127.0.0.1:0");
  const Bytes bytes = bytes_of(1000, 1);
  const Datagrams train{.peer = b->local(), .bytes = bytes};
  EXPECT_EQ(a->send({&train, 1}).trains, 1U);
  ASSERT_TRUE(ready(*b, POLLIN));
  Bytes small(999);
  const MutableByteView view{small};
  std::vector<ReceivedDatagrams> out(1);
  EXPECT_EQ(b->receive({&view, 1}, out), 0U);
  EXPECT_EQ(b->stats().truncated, 1U);
}

TEST(UdpSocket, says_why_an_address_cannot_be_had) {
  auto first = open("127.0.0.1:0");
  const auto taken = UdpSocket::open(first->local());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().fault, SocketError::Fault::address_in_use);
  EXPECT_NE(message(taken.error()).find(first->local().to_string()), std::string::npos);
  const auto foreign = UdpSocket::open(place("192.0.2.1:0"));
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().fault, SocketError::Fault::address_not_available);
}

}  // namespace

int gated_sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  const auto fail = [](int os_error) {
    errno = os_error;
    return -1;
  };
  if (mood.refuse_all_with != 0) return fail(mood.refuse_all_with);
  if (mood.refuse_trains_with != 0) {
    for (unsigned i = 0; i < count; ++i) {
      if (messages[i].msg_hdr.msg_controllen == 0) continue;
      if (i == 0) return fail(mood.refuse_trains_with);
      count = i;
    }
  }
  if (mood.messages_before_full == 0) return fail(EAGAIN);
  if (mood.messages_before_full > 0) {
    count = std::min(count, static_cast<unsigned>(mood.messages_before_full));
    mood.messages_before_full -= static_cast<int>(count);
  }
  return static_cast<int>(::syscall(SYS_sendmmsg, fd, messages, count, flags));
}

}  // namespace runnel::net

extern "C" int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return runnel::net::gated_sendmmsg(fd, messages, count, flags);
}

#include "media_helper/rtmp_session.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "rtmp_test_client.hpp"

namespace runnel::media_helper {
namespace {

using test::bytes_of;
using test::command;
using test::connect;
using test::create_stream;
using test::handshake;
using test::media;
using test::publish;
using test::up_to_publish;
using test::operator+;
using State = RtmpSession::State;

RtmpSession make_session(bool admits = true) {
  return RtmpSession{{.app = "live", .key = "KEY", .claim = [admits] { return admits; }}};
}

std::string output_text(RtmpSession& session) {
  const base::Bytes output = session.take_output();
  return std::string{base::as_text(output)};
}

const base::Bytes kAvcHeader = bytes_of({0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f});
const base::Bytes kAacHeader = bytes_of({0xaf, 0, 0x12, 0x10});

TEST(RtmpSession, the_handshake_answers_with_s0_s1_and_c1_repeated) {
  RtmpSession session = make_session();
  ASSERT_TRUE(session.receive(handshake()).has_value());
  const base::Bytes answer = session.take_output();
  ASSERT_EQ(answer.size(), 1U + 2 * 1536U);
  EXPECT_EQ(answer.front(), std::byte{3});
  EXPECT_EQ(answer[5], std::byte{0});  // S1: version 0, the plain handshake
  EXPECT_EQ(answer.back(), std::byte{0x5a});
  EXPECT_EQ(session.state(), State::commands);
}

TEST(RtmpSession, another_version_ends_it_at_the_first_byte) {
  for (const unsigned first : {0x06U, 0x47U, 0x16U, 0x00U}) {
    RtmpSession session = make_session();
    EXPECT_EQ(session.receive(bytes_of({first})).error(), RtmpFault::bad_handshake);
  }
}

TEST(RtmpSession, a_publisher_is_let_in_byte_by_byte_and_its_media_become_flv) {
  RtmpSession session = make_session();
  const base::Bytes all = up_to_publish("live", "KEY") + media(kRtmpVideo, 0, kAvcHeader) + media(kRtmpAudio, 0x0102'0304, kAacHeader);
  for (const std::byte& byte : all) ASSERT_TRUE(session.receive(base::ByteView{&byte, 1}).has_value());
  EXPECT_EQ(session.state(), State::publishing);
  const std::string answers = output_text(session);
  EXPECT_NE(answers.find("NetConnection.Connect.Success"), std::string::npos);
  EXPECT_NE(answers.find("NetStream.Publish.Start"), std::string::npos);
  const base::Bytes expected = bytes_of({'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0}) +                             //
                               bytes_of({9, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0}) + kAvcHeader + bytes_of({0, 0, 0, 20}) +  //
                               bytes_of({8, 0, 0, 4, 2, 3, 4, 1, 0, 0, 0}) + kAacHeader + bytes_of({0, 0, 0, 15});
  EXPECT_EQ(session.take_flv(), expected);
}

TEST(RtmpSession, a_wrong_key_is_told_and_refused) {
  for (const std::string_view key : {"KEX", "", "KEYS", "key", "../live/KEY"}) {
    RtmpSession session = make_session();
    const auto received = session.receive(up_to_publish("live", key));
    ASSERT_FALSE(received.has_value()) << key;
    EXPECT_EQ(received.error(), RtmpFault::wrong_key);
    const std::string answers = output_text(session);
    EXPECT_NE(answers.find("NetStream.Publish.BadName"), std::string::npos);
    EXPECT_EQ(answers.find("KEY"), std::string::npos);
  }
}

TEST(RtmpSession, a_wrong_application_is_told_and_refused) {
  for (const std::string_view app : {"liv", "", "live2", "live/KEX"}) {
    RtmpSession session = make_session();
    EXPECT_EQ(session.receive(up_to_publish(app, "KEY")).error(), RtmpFault::wrong_application) << app;
    EXPECT_NE(output_text(session).find("NetConnection.Connect.Rejected"), std::string::npos);
  }
}

TEST(RtmpSession, the_whole_url_in_the_server_field_works_too) {
  RtmpSession session = make_session();
  EXPECT_TRUE(session.receive(up_to_publish("live/KEY", "")).has_value());
  EXPECT_EQ(session.state(), State::publishing);
}

TEST(RtmpSession, a_second_publisher_is_told_that_another_one_is_live) {
  RtmpSession session = make_session(false);
  EXPECT_EQ(session.receive(up_to_publish("live", "KEY")).error(), RtmpFault::busy);
  EXPECT_NE(output_text(session).find("NetStream.Publish.BadName"), std::string::npos);
}

TEST(RtmpSession, commands_and_media_out_of_order_end_it) {
  const std::vector<base::Bytes> orders{
      handshake() + create_stream(),
      handshake() + connect("live") + publish("KEY"),
      handshake() + media(kRtmpVideo, 0, kAvcHeader),
      handshake() + connect("live") + create_stream() + media(kRtmpAudio, 0, kAacHeader),
      handshake() + connect("live") + connect("live"),
      up_to_publish("live", "KEY") + publish("KEY"),
  };
  for (const base::Bytes& order : orders) {
    RtmpSession session = make_session();
    EXPECT_EQ(session.receive(order).error(), RtmpFault::bad_command_order);
    EXPECT_TRUE(session.take_flv().empty());
  }
}

TEST(RtmpSession, createStream_is_bounded) {
  RtmpSession session = make_session();
  base::Bytes all = handshake() + connect("live");
  for (int i = 0; i < 9; ++i) all = all + create_stream();
  EXPECT_EQ(session.receive(all).error(), RtmpFault::bad_command_order);
}

TEST(RtmpSession, players_are_refused) {
  RtmpSession session = make_session();
  const base::Bytes play = command({Amf0Value{"play"}, Amf0Value{3.0}, Amf0Value{}, Amf0Value{"KEY"}}, 1);
  EXPECT_EQ(session.receive(handshake() + connect("live") + create_stream() + play).error(), RtmpFault::not_a_publisher);
}

TEST(RtmpSession, each_goodbye_ends_it_without_fault) {
  for (const char* goodbye : {"FCUnpublish", "deleteStream", "closeStream"}) {
    RtmpSession session = make_session();
    EXPECT_TRUE(session.receive(up_to_publish("live", "KEY") + command({Amf0Value{goodbye}, Amf0Value{5.0}})).has_value());
    EXPECT_EQ(session.state(), State::ended);
  }
}

TEST(RtmpSession, releaseStream_and_FCPublish_are_answered) {
  RtmpSession session = make_session();
  const auto with_name = [](const char* name, double id) {
    return command({Amf0Value{name}, Amf0Value{id}, Amf0Value{}, Amf0Value{"KEY"}});
  };
  ASSERT_TRUE(session.receive(handshake() + connect("live")).has_value());
  static_cast<void>(session.take_output());
  ASSERT_TRUE(session.receive(with_name("releaseStream", 2) + with_name("FCPublish", 3)).has_value());
  RtmpChunkReader reader;
  reader.append(session.take_output());
  for (const double id : {2.0, 3.0}) {
    const auto answer = reader.next();
    ASSERT_TRUE(answer.has_value() && answer->has_value());
    const auto values = decode_amf0((*answer)->body);
    ASSERT_TRUE(values.has_value());
    EXPECT_EQ((*values)[0], Amf0Value{"_result"});
    EXPECT_EQ((*values)[1], Amf0Value{id});
  }
}

TEST(RtmpSession, a_ping_is_answered_with_its_time_stamp) {
  RtmpSession session = make_session();
  ASSERT_TRUE(session.receive(handshake()).has_value());
  static_cast<void>(session.take_output());
  ASSERT_TRUE(session.receive(test::chunks(2, {kRtmpUserControl, 0, 0, bytes_of({0, 6, 1, 2, 3, 4})})).has_value());
  RtmpChunkReader reader;
  reader.append(session.take_output());
  const auto pong = reader.next();
  ASSERT_TRUE(pong.has_value() && pong->has_value());
  EXPECT_EQ((*pong)->body, bytes_of({0, 7, 1, 2, 3, 4}));
}

TEST(RtmpSession, bytes_are_acknowledged_by_the_window) {
  RtmpSession session = make_session();
  ASSERT_TRUE(
      session.receive(up_to_publish("live", "KEY") + test::chunks(2, {kRtmpWindowAckSize, 0, 0, bytes_of({0, 0, 0x40, 0})})).has_value());
  static_cast<void>(session.take_output());
  int acknowledgements = 0;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(session.receive(media(kRtmpVideo, 1, base::Bytes(1000, std::byte{0x27}))).has_value());
    acknowledgements += session.take_output().empty() ? 0 : 1;
  }
  EXPECT_GE(acknowledgements, 200'000 / 0x4000 - 2);
  EXPECT_LE(acknowledgements, 200'000 / 0x4000 + 4);
}

base::Bytes metadata(Amf0Value::Object properties) {
  RtmpMessage message{kRtmpDataAmf0, 777, 1, {}};
  encode_amf0(Amf0Value{"@setDataFrame"}, message.body);
  encode_amf0(Amf0Value{"onMetaData"}, message.body);
  encode_amf0(Amf0Value{std::move(properties)}, message.body);
  return test::chunks(4, message);
}

TEST(RtmpSession, metadata_without_audio_gives_a_header_that_promises_video_only) {
  RtmpSession session = make_session();
  ASSERT_TRUE(session.receive(up_to_publish("live", "KEY") + metadata({{"videocodecid", Amf0Value{7.0}}})).has_value());
  const base::Bytes flv = session.take_flv();
  ASSERT_GT(flv.size(), 30U);
  EXPECT_EQ(flv[4], std::byte{1});
  EXPECT_EQ(flv[13], std::byte{kRtmpDataAmf0});
  EXPECT_EQ(base::to_bytes(base::ByteView{flv}.subspan(17, 4)), bytes_of({0, 0, 0, 0}));  // its time
  EXPECT_EQ(base::as_text(flv).find("@setDataFrame"), std::string_view::npos);
  EXPECT_NE(base::as_text(flv).find("onMetaData"), std::string_view::npos);
}

TEST(RtmpSession, malformed_metadata_and_commands_end_it) {
  for (const std::uint8_t type : {kRtmpDataAmf0, kRtmpDataAmf3, kRtmpCommandAmf0, kRtmpCommandAmf3}) {
    for (const base::Bytes& body : {bytes_of({0x03, 0xff}), bytes_of({0x11, 0x0a}), base::Bytes{}}) {
      RtmpSession session = make_session();
      const auto received = session.receive(up_to_publish("live", "KEY") + test::chunks(4, {type, 0, 1, body}));
      EXPECT_EQ(received.error(), RtmpFault::bad_amf) << int{type};
    }
  }
}

TEST(RtmpSession, codecs_that_the_demuxer_does_not_know_are_refused_with_a_reason) {
  for (const auto& [type, body] : std::vector<std::pair<std::uint8_t, base::Bytes>>{{kRtmpVideo, bytes_of({0x90, 'h', 'v', 'c', '1'})},
                                                                                    {kRtmpVideo, bytes_of({0x1c, 0, 0, 0, 0})},
                                                                                    {kRtmpAudio, bytes_of({0x90, 'O', 'p', 'u', 's'})}}) {
    RtmpSession session = make_session();
    EXPECT_EQ(session.receive(up_to_publish("live", "KEY") + media(type, 0, body)).error(), RtmpFault::unsupported_codec);
    EXPECT_NE(output_text(session).find("NetStream.Publish.Rejected"), std::string::npos);
  }
}

TEST(RtmpSession, large_messages_are_taken_only_from_a_publisher) {
  RtmpSession before = make_session();
  EXPECT_EQ(before.receive(handshake() + bytes_of({0x04, 0, 0, 0, 2, 0, 0, 9, 1, 0, 0, 0})).error(), RtmpFault::message_too_large);
  RtmpSession after = make_session();
  ASSERT_TRUE(after.receive(up_to_publish("live", "KEY") + media(kRtmpVideo, 0, base::Bytes(200'000, std::byte{0x17}))).has_value());
  EXPECT_GT(after.take_flv().size(), 200'000U);
}

RC_GTEST_PROP(RtmpSession, random_bytes_at_any_point_never_crash_it, (const std::vector<std::uint8_t>& noise)) {
  base::Bytes tail;
  for (const std::uint8_t byte : noise) tail.push_back(static_cast<std::byte>(byte));
  for (const base::Bytes& head : {base::Bytes{}, handshake(), handshake() + connect("live"), up_to_publish("live", "KEY")}) {
    RtmpSession session = make_session();
    RC_ASSERT(session.receive(head).has_value());
    static_cast<void>(session.receive(tail));
  }
}

}  // namespace
}  // namespace runnel::media_helper

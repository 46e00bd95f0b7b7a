#include "media/printable.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace runnel::media {
namespace {

std::string printable(std::string text) {
  make_printable(text);
  return text;
}

TEST(Printable, text_of_any_language_stays_as_it_is) {
  for (const char* text : {"", "plain", "na\xC3\xAFve", "\xE6\x97\xA5\xE6\x9C\xAC", "\xF0\x9F\x8E\xAC film", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, bytes_that_are_no_utf8_become_question_marks) {
  EXPECT_EQ(printable("a\xFFz"), "a?z");
  EXPECT_EQ(printable("cut \xC3"), "cut ?");
  EXPECT_EQ(printable("\xC0\x80"), "??");            // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), "???");       // a surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "????");  // past U+10FFFF
  EXPECT_EQ(printable("\xE6\x97 \xE6\x97\xA5"), "?? \xE6\x97\xA5");
}

TEST(Printable, control_characters_become_spaces) {
  EXPECT_EQ(printable("\x1b[31mred\n"), " [31mred ");
  EXPECT_EQ(printable("a\x7f"), "a ");
  EXPECT_EQ(printable("a\xC2\x9b"), "a  ");
}

RC_GTEST_PROP(Printable, keeps_the_size_and_changes_nothing_the_second_time, (const std::string& text)) {
  const std::string once = printable(text);
  RC_ASSERT(once.size() == text.size());
  RC_ASSERT(printable(once) == once);
}

}  // namespace
}  // namespace runnel::media

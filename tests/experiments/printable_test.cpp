#include "experiments/printable.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using namespace std::string_literals;

TEST(Printable, TextStaysAsItIs) {
  for (const std::string text : {"a.jpg", "café/µ ±.png", "日本/写真.jpg", "\xF0\x9F\x90\xB1.webp"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_TRUE(is_utf8(text));
  }
}

TEST(Printable, WhatATerminalWouldObeyIsShown) {
  EXPECT_EQ(printable("\033]0;title\a.jpg"), "\\x1b]0;title\\x07.jpg");
  EXPECT_EQ(printable("a\nb\tc\x7F"), "a\\x0ab\\x09c\\x7f");
  EXPECT_EQ(printable_lines("a\nb\tc\r"), "a\nb\tc\\x0d");
  EXPECT_EQ(printable("\xC2\x9B" "2J"), "\\xc2\\x9b2J");
  EXPECT_EQ(printable("a\0b"s), "a\\x00b");
}

TEST(Printable, BytesThatAreNoUtf8AreShownInHexadecimal) {
  for (const std::string bad : {"\xFF", "\xE9t\xE9", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE6\x97", "\xF8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
    EXPECT_TRUE(is_utf8(printable(bad))) << printable(bad);
  }
  EXPECT_EQ(printable("\xE9t\xE9.jpg"), "\\xe9t\\xe9.jpg");
  EXPECT_EQ(hex_of("\xE9t"), "e974");
}

}  // namespace
}  // namespace millrace

// Any bytes: a header is refused or it means one thing. RC_PARAMS="seed=..." repeats a failing case.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "pipeline/error.h"
#include "train/safetensors.h"

namespace millrace::train {
namespace {

/// Reads the header; whatever is accepted must tile its elements, and be written again as it was read.
void judge(const std::string& text, std::uint64_t element_bytes) {
  const std::uint64_t file_bytes = 8 + text.size() + element_bytes;
  SafetensorsHeader header;
  try {
    header = parse_safetensors_header(text, file_bytes, "file");
  } catch (const Error& e) {
    RC_ASSERT(e.kind() == ErrorKind::data);
    return;
  }
  std::uint64_t end = 8 + text.size();
  for (const TensorEntry& t : header.tensors) {
    RC_ASSERT(t.offset_bytes == end);
    end += t.bytes;
  }
  RC_ASSERT(end == file_bytes);
  RC_ASSERT(header.tensors.size() * 40 <= text.size());  // The shortest entry there is: memory is bounded by the text.
}

std::string sample(int tensors, std::uint64_t& element_bytes) {
  static const std::vector<float> elements(64);
  std::vector<TensorView> views;
  for (int i = 0; i < tensors; ++i)
    views.push_back({"layer" + std::to_string(i) + ".weight", TensorType::f32, {1, static_cast<std::uint64_t>(i)},
                     std::as_bytes(std::span(elements)).first(static_cast<std::size_t>(i) * 4)});
  std::string all;
  write_safetensors(views, {{"format", "pt"}}, [&](std::span<const std::byte> piece) {
    all.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  std::uint64_t length = 0;
  std::memcpy(&length, all.data(), 8);
  element_bytes = all.size() - 8 - length;
  return all.substr(8, length);
}

RC_GTEST_PROP(SafetensorsProperty, RandomBytesAreRefusedOrSound, ()) {
  const auto bytes = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
  judge(bytes, *rc::gen::inRange(0, 100));
  judge("{" + bytes + "}", 0);
}

RC_GTEST_PROP(SafetensorsProperty, PiecesOfHeadersInAnyOrderAreRefusedOrSound, ()) {
  static const std::vector<std::string> kPieces{"{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"F32\"",
                                                "\"U8\"", "0", "1", "4", "18446744073709551615", "\"__metadata__\"", " ", "\"\\u0061\"",
                                                "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}", "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}"};
  std::string text = "{";
  for (const std::size_t i : *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, kPieces.size()))) text += kPieces[i];
  judge(text, static_cast<std::uint64_t>(*rc::gen::inRange(0, 3)));
  judge(text + "}", 1);
}

RC_GTEST_PROP(SafetensorsProperty, MutatedHeadersAreRefusedOrSound, ()) {
  std::uint64_t elements = 0;
  std::string text = sample(*rc::gen::inRange(0, 9), elements);
  for (int n = *rc::gen::inRange(1, 5); n > 0 && !text.empty(); --n) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    switch (*rc::gen::inRange(0, 4)) {
      case 0: text[at] = *rc::gen::arbitrary<char>(); break;
      case 1: text.erase(at, *rc::gen::inRange<std::size_t>(1, 20)); break;
      case 2: text.insert(at, text.substr(*rc::gen::inRange<std::size_t>(0, text.size()), 20)); break;
      default: text.resize(at); break;
    }
  }
  judge(text, elements);
}

RC_GTEST_PROP(SafetensorsProperty, EveryFlippedBitOfAHeaderIsRefusedOrSound, ()) {
  std::uint64_t elements = 0;
  const std::string text = sample(*rc::gen::inRange(1, 4), elements);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    judge(flipped, elements);
  }
}

}  // namespace
}  // namespace millrace::train

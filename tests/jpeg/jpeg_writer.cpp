#include "jpeg_writer.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <tuple>

namespace millrace::test {
namespace {

int below(std::mt19937_64& random, int n) { return int(random() % std::uint64_t(n)); }

std::vector<std::uint8_t> dc_symbols() {
  std::vector<std::uint8_t> list;
  for (int size = 0; size <= 11; ++size) list.push_back(std::uint8_t(size));
  return list;
}

std::vector<std::uint8_t> ac_symbols() {
  std::vector<std::uint8_t> list = {0x00, 0xF0};
  for (int run = 0; run < 16; ++run)
    for (int size = 1; size <= 10; ++size) list.push_back(std::uint8_t(run << 4 | size));
  return list;
}

/// Entropy-coded bytes with their stuffing.
class BitWriter {
 public:
  explicit BitWriter(File& out) : out_(out) {}
  void put(unsigned bits, int count) {
    for (int i = count; i-- > 0;) {
      byte_ = byte_ << 1 | (bits >> i & 1);
      if (++filled_ == 8) flush();
    }
  }
  void pad() { while (filled_ != 0) put(1, 1); }

 private:
  void flush() {
    out_.push_back(std::uint8_t(byte_));
    if (std::uint8_t(byte_) == 0xFF) out_.push_back(0);
    filled_ = 0;
  }
  File& out_;
  unsigned byte_ = 0;
  int filled_ = 0;
};

/// The code of each symbol.
struct Codebook {
  std::array<std::uint16_t, 256> code{};
  std::array<int, 256> length{};
  explicit Codebook(const jpeg::HuffmanCode& of) {
    unsigned next = 0;
    std::size_t k = 0;
    for (int bits = 1; bits <= 16; ++bits, next <<= 1)
      for (int i = 0; i < of.lengths[std::size_t(bits)]; ++i, ++k, ++next) {
        code[of.symbols[k]] = std::uint16_t(next);
        length[of.symbols[k]] = bits;
      }
  }
  void put(BitWriter& out, std::uint8_t symbol, int value, int size) const {
    out.put(code[symbol], length[symbol]);
    out.put(unsigned(value < 0 ? value + (1 << size) - 1 : value), size);
  }
};

int size_of(int value) { return std::bit_width(unsigned(std::abs(value))); }

int random_value(int largest_size, std::mt19937_64& random) {
  const int size = 1 + below(random, largest_size), magnitude = (1 << (size - 1)) + below(random, 1 << (size - 1));
  return random() % 2 == 0 ? magnitude : -magnitude;
}

void put_block(BitWriter& out, const Codebook& dc, const Codebook& ac, int& prediction, const RandomJpeg& what, std::mt19937_64& random) {
  const int next = std::clamp(prediction + below(random, 401) - 200, -1024, 1023), difference = next - prediction;
  prediction = next;
  dc.put(out, std::uint8_t(size_of(difference)), difference, size_of(difference));
  const int wanted = below(random, 2 * what.coefficients + 1);
  int run = 0;
  for (int k = 1; k < 64; ++k) {
    const bool zero = below(random, 63) >= wanted || (random() % 4 == 0 && k > 30);
    if (zero) {
      ++run;
      continue;
    }
    for (; run > 15; run -= 16) ac.put(out, 0xF0, 0, 0);
    const int value = random_value(what.largest_size, random), size = size_of(value);
    ac.put(out, std::uint8_t(run << 4 | size), value, size);
    run = 0;
  }
  if (run > 0) ac.put(out, 0x00, 0, 0);
}

void segment(File& out, std::uint8_t marker, const File& content) {
  const std::size_t length = content.size() + 2;
  out.insert(out.end(), {0xFF, marker, std::uint8_t(length >> 8), std::uint8_t(length)});
  out.insert(out.end(), content.begin(), content.end());
}

void put_code(File& out, bool ac, int table, const jpeg::HuffmanCode& code) {
  File content = {std::uint8_t(int(ac) << 4 | table)};
  content.insert(content.end(), code.lengths.begin() + 1, code.lengths.end());
  int count = 0;
  for (const int n : code.lengths) count += n;
  content.insert(content.end(), code.symbols.begin(), code.symbols.begin() + count);
  segment(out, 0xC4, content);
}

void put_frame(File& out, const RandomJpeg& what, bool wide_quantiser) {
  File frame = {8, std::uint8_t(what.size.height >> 8), std::uint8_t(what.size.height), std::uint8_t(what.size.width >> 8),
                std::uint8_t(what.size.width), std::uint8_t(what.components)};
  for (int c = 0; c < what.components; ++c)
    frame.insert(frame.end(), {std::uint8_t(c + 1), std::uint8_t(c == 0 ? what.h << 4 | what.v : 0x11), std::uint8_t(c > 0 && !what.same_tables)});
  segment(out, wide_quantiser ? 0xC1 : 0xC0, frame);
}

}  // namespace

jpeg::HuffmanCode random_code(std::vector<std::uint8_t> symbols, std::mt19937_64& random) {
  std::shuffle(symbols.begin(), symbols.end(), random);
  // In units of a 16-bit code; the code of ones alone stays free, and each symbol that is still to come needs one unit.
  int space = (1 << 16) - 1, rest = int(symbols.size());
  const int shortest = 1 + below(random, 8);
  std::vector<std::pair<int, std::uint8_t>> coded;
  for (const std::uint8_t symbol : symbols) {
    int bits = shortest + below(random, 17 - shortest);
    --rest;
    while (bits < 16 && 1 << (16 - bits) > space - rest) ++bits;
    space -= 1 << (16 - bits);
    coded.emplace_back(bits, symbol);
  }
  std::stable_sort(coded.begin(), coded.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  jpeg::HuffmanCode code;
  for (std::size_t i = 0; i < coded.size(); ++i) {
    ++code.lengths[std::size_t(coded[i].first)];
    code.symbols[i] = coded[i].second;
  }
  return code;
}

RandomJpeg random_description(std::mt19937_64& random) {
  constexpr std::array<std::pair<int, int>, 3> kSamplings = {{{1, 1}, {2, 1}, {2, 2}}};
  RandomJpeg what;
  what.size = {1 + below(random, 90), 1 + below(random, 90)};
  what.components = random() % 5 == 0 ? 1 : 3;
  std::tie(what.h, what.v) = kSamplings[random() % kSamplings.size()];
  if (random() % 3 == 0) what.restart_interval = 1 + below(random, 12);
  what.largest_size = 1 + below(random, 10);
  what.coefficients = below(random, 64);
  what.largest_quantiser = random() % 8 == 0 ? 4000 : 1 << below(random, 9);
  what.same_tables = random() % 2 == 0;
  return what;
}

File write_random_jpeg(const RandomJpeg& what, std::mt19937_64& random) {
  File out = {0xFF, 0xD8};
  const int tables = what.components == 1 || what.same_tables ? 1 : 2;
  const bool wide = what.largest_quantiser > 255;
  std::vector<Codebook> dc, ac;
  for (int t = 0; t < tables; ++t) {
    File quantiser = {std::uint8_t(int(wide) << 4 | t)};
    for (int k = 0; k < 64; ++k) {
      const int value = 1 + below(random, what.largest_quantiser);
      if (wide) quantiser.push_back(std::uint8_t(value >> 8));
      quantiser.push_back(std::uint8_t(value));
    }
    segment(out, 0xDB, quantiser);
    const jpeg::HuffmanCode dc_code = random_code(dc_symbols(), random), ac_code = random_code(ac_symbols(), random);
    put_code(out, false, t, dc_code);
    put_code(out, true, t, ac_code);
    dc.emplace_back(dc_code);
    ac.emplace_back(ac_code);
  }
  put_frame(out, what, wide);
  if (what.restart_interval > 0) segment(out, 0xDD, {0, std::uint8_t(what.restart_interval)});
  File scan = {std::uint8_t(what.components)};
  for (int c = 0; c < what.components; ++c) {
    const int table = c > 0 ? tables - 1 : 0;
    scan.insert(scan.end(), {std::uint8_t(c + 1), std::uint8_t(table << 4 | table)});
  }
  scan.insert(scan.end(), {0, 63, 0});
  segment(out, 0xDA, scan);

  const int h = what.components == 1 ? 1 : what.h, v = what.components == 1 ? 1 : what.v;
  const int mcus = (what.size.width + 8 * h - 1) / (8 * h) * ((what.size.height + 8 * v - 1) / (8 * v));
  std::array<int, 3> prediction{};
  BitWriter bits(out);
  for (int m = 0; m < mcus; ++m) {
    if (what.restart_interval > 0 && m > 0 && m % what.restart_interval == 0) {
      bits.pad();
      out.insert(out.end(), {0xFF, std::uint8_t(0xD0 + (m / what.restart_interval - 1) % 8)});
      prediction = {};
    }
    for (int c = 0; c < what.components; ++c) {
      const auto table = std::size_t(c > 0 ? tables - 1 : 0);
      for (int i = 0; i < (c == 0 ? h * v : 1); ++i) put_block(bits, dc[table], ac[table], prediction[std::size_t(c)], what, random);
    }
  }
  bits.pad();
  out.insert(out.end(), {0xFF, 0xD9});
  return out;
}

}  // namespace millrace::test

// The fast decoder of usual files: it takes them, its pixels are libjpeg-turbo's, and whatever else comes, the answer is libjpeg-turbo's too.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "jpeg_compare.h"
#include "jpeg_files.h"
#include "jpeg_writer.h"
#include "pipeline/jpeg.h"
#include "pipeline/jpeg/huffman_tables.h"
#include "pipeline/jpeg/kernels.h"

namespace millrace::test {
namespace {

/// Where the machine lacks AVX2 all is left to libjpeg-turbo; the tests then compare it with itself.
std::uint64_t taken_of(std::uint64_t pictures) { return jpeg::kernels() ? pictures : 0; }

using Sampling = std::vector<std::pair<int, int>>;
const Sampling k444 = {{1, 1}, {1, 1}, {1, 1}}, k422 = {{2, 1}, {1, 1}, {1, 1}}, k420 = {{2, 2}, {1, 1}, {1, 1}};

std::vector<Encoding> usual_encodings() {
  std::vector<Encoding> list;
  for (const int restart : {0, 1, 3}) {
    for (const Sampling& sampling : {k444, k422, k420}) list.push_back({.sampling = sampling, .restart_blocks = restart});
    list.push_back({.components = 1, .sampling = {{1, 1}}, .restart_blocks = restart});
    list.push_back({.components = 1, .sampling = {{2, 2}}, .restart_blocks = restart});
  }
  return list;
}

TEST(FastJpeg, GivesEveryCropOfSmallPicturesAsTheWholePictureHasIt) {
  for (const Encoding& encoding : usual_encodings()) {
    const Size size = encoding.sampling == k420 ? Size{37, 35} : Size{19, 18};
    const File file = encode(test_picture(size, encoding.components, 5), encoding);
    const Reference whole = decode_plainly(file, 1, JCS_RGB);
    JpegDecoder decoder({});
    Buffer canvas;
    std::uint64_t crops = 0;
    const int step = encoding.sampling == k420 ? 3 : 1; // All of 4:2:0's would be half a million.
    for (int top = 0; top < size.height; ++top)
      for (int left = 0; left < size.width; ++left)
        for (int height = 1 + top % step; height <= size.height - top; height += step)
          for (int width = 1 + left % step; width <= size.width - left; width += step, ++crops) {
            const Roi roi{left, top, width, height};
            const auto view = decoder.decode(file, roi, canvas);
            ASSERT_TRUE(view && equal(*view, whole.pixels.view().crop(roi))) << width << "x" << height << "+" << left << "+" << top;
          }
    EXPECT_EQ(decoder.counts().fast, taken_of(crops));
  }
}

TEST(FastJpeg, TakesPicturesOfAllSizesButThoseThatUpsampleWithoutFilter) {
  for (const Encoding& encoding : usual_encodings())
    for (int width = 1; width <= 40; ++width)
      for (const int height : {1, 2, 7, 8, 9, 16, 17, 33}) {
        const File file = encode(test_picture({width, height}, encoding.components, unsigned(width)), encoding);
        const Reference whole = decode_plainly(file, 1, JCS_RGB);
        JpegDecoder decoder({});
        Buffer canvas;
        const auto view = decoder.decode(file, {0, 0, width, height}, canvas);
        ASSERT_TRUE(view && equal(*view, whole.pixels.view())) << width << "x" << height;
        const bool unfiltered = encoding.components == 3 && encoding.sampling != k444 && width <= 4;
        EXPECT_EQ(decoder.counts().fast, taken_of(unfiltered ? 0 : 1)) << width << "x" << height;
      }
}

TEST(FastJpeg, GivesLibjpegsPixelsWhateverCodesAndCoefficientsAFileHas) {
  std::mt19937_64 random(20240611);
  BothDecoders colour, grey(1);
  for (int i = 0; i < 1500; ++i) {
    RandomJpeg what = random_description(random);
    what.size.width += 4;
    const File file = write_random_jpeg(what, random);
    const auto wrong = (i % 4 == 0 ? grey : colour).difference(file, random);
    ASSERT_FALSE(wrong) << "file " << i << ": " << *wrong;
  }
  EXPECT_EQ(colour.delivered() + grey.delivered(), 1500u);
  // What it may leave: values that are only exact in 16 bits, which large quantisers bring about.
  EXPECT_GE(colour.taken() + grey.taken(), taken_of(600));
}

TEST(FastJpeg, TakesAllOfThemWhereValuesStayInRange) {
  std::mt19937_64 random(8);
  BothDecoders both;
  for (int i = 0; i < 300; ++i) {
    RandomJpeg what = random_description(random);
    what.size.width += 4;
    what.largest_size = std::min(what.largest_size, 6);
    what.largest_quantiser = std::min(what.largest_quantiser, 4);
    const auto wrong = both.difference(write_random_jpeg(what, random), random);
    ASSERT_FALSE(wrong) << "file " << i << ": " << *wrong;
  }
  EXPECT_EQ(both.taken(), taken_of(300));
}

TEST(FastJpeg, LeavesUnusualFilesToLibjpeg) {
  const Encoding unusual[] = {{.progressive = true}, {.arithmetic = true}, {.separate_scans = true}, {.sampling = {{1, 2}, {1, 1}, {1, 1}}},
                              {.sampling = {{4, 1}, {1, 1}, {1, 1}}}, {.sampling = {{2, 2}, {1, 2}, {1, 1}}},
                              {.components = 4, .sampling = {{1, 1}, {1, 1}, {1, 1}, {1, 1}}}};
  Buffer canvas;
  for (const Encoding& encoding : unusual) {
    JpegDecoder decoder({});
    ASSERT_TRUE(decoder.decode(encode(test_picture({50, 40}, encoding.components, 1), encoding), {3, 4, 20, 20}, canvas));
    EXPECT_EQ(decoder.counts().fast, 0u);
  }
  JpegDecoder scaled({.scale_denominator = 2}), library({.fast = false});
  const File file = encode(test_picture({50, 40}, 3, 1), {});
  for (JpegDecoder* decoder : {&scaled, &library}) {
    ASSERT_TRUE(decoder->decode(file, {3, 4, 20, 10}, canvas));
    EXPECT_EQ(decoder->counts().fast, 0u);
  }
}

TEST(FastJpeg, GivesLibjpegsAnswerToDamagedFiles) {
  std::mt19937_64 random(99);
  std::vector<File> seeds;
  for (const Encoding& encoding : usual_encodings()) seeds.push_back(encode(test_picture({45, 39}, encoding.components, 3), encoding));
  for (int i = 0; i < 20; ++i) seeds.push_back(write_random_jpeg(random_description(random), random));
  BothDecoders colour, grey(1);
  for (int i = 0; i < 30000; ++i) {
    const File& seed = seeds[random() % seeds.size()];
    const auto wrong = (i % 4 == 0 ? grey : colour).difference(damaged(seed, scan_of(seed), random), random);
    ASSERT_FALSE(wrong) << "damaged file " << i << ": " << *wrong;
  }
  EXPECT_GE(colour.taken(), taken_of(1000)); // Damage below the crop, in padding, in tables' unused parts, or that only changes coefficients.
  EXPECT_LT(colour.taken(), colour.files());
}

/// A grey file of any bytes for a scan, whose blocks overrun more often than not: of its two AC codes the one of one bit is a run of 15 zeros
/// with a coefficient, so that one look at the bits may pass over 80 coefficients.
File overrunning_file(std::mt19937_64& random) {
  File file{0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0};
  file.insert(file.end(), 64, 1);
  const File rest{0xFF, 0xC0, 0, 11, 8, 0, 96, 0, 16, 1, 1, 0x11, 0,                                            // 16 x 96
                  0xFF, 0xC4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00,                // DC: 0 is no difference.
                  0xFF, 0xC4, 0, 21, 0x10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xF1, 0x00,          // AC: 0 is F1, 10 an end.
                  0xFF, 0xDA, 0, 8, 1, 1, 0x00, 0, 63, 0};
  file.insert(file.end(), rest.begin(), rest.end());
  for (int i = 0; i < 200; ++i) {
    file.push_back(std::uint8_t(random() & random() & 0x7F));  // Mostly zeros, and no marker.
  }
  file.insert(file.end(), {0xFF, 0xD9});
  return file;
}

TEST(FastJpeg, TakesABlockThatOverrunsForNoneThatEnds) {
  std::mt19937_64 random(11);
  BothDecoders decoders(1);
  for (int i = 0; i < 4000; ++i) {
    const auto wrong = decoders.difference(overrunning_file(random), random);
    ASSERT_FALSE(wrong) << "file " << i << ": " << *wrong;
  }
  EXPECT_EQ(decoders.files(), 4000u);
}

/// The reference of the tables: symbol by symbol, from the code alone.
struct Walk {
  unsigned bits = 0, advance = 0; ///< Of the symbols gone past.
  bool end = false, found = false;
  int size = 0, value = 0, place = 0; ///< Of the last one.
};

void walk_one(const jpeg::HuffmanCode& code, std::uint32_t window, unsigned width, Walk& walk) {
  const std::uint32_t ahead = window << walk.bits << (32 - width);
  std::uint32_t next = 0;
  std::size_t k = 0;
  walk.found = false;
  for (unsigned bits = 1; bits <= 16 && walk.bits + bits <= width; ++bits, next <<= 1)
    for (int i = 0; i < code.lengths[bits]; ++i, ++k, ++next) {
      if (ahead >> (32 - bits) != next) continue;
      const unsigned symbol = code.symbols[k];
      walk.found = true;
      walk.end = symbol == 0;
      walk.size = int(symbol & 15);
      walk.place = int(walk.advance + (symbol >> 4));
      walk.value = walk.size == 0 ? 0 : jpeg::extend(ahead << bits >> (32 - walk.size), unsigned(walk.size));
      walk.bits += bits + (symbol & 15);
      walk.advance += walk.end ? 0 : (symbol >> 4) + 1;
      return;
    }
}

std::vector<std::uint8_t> some_symbols(std::mt19937_64& random) {
  std::vector<std::uint8_t> symbols;
  for (unsigned run = 0; run < 16; ++run)
    for (unsigned size = run == 0 || run == 15 ? 0 : 1; size <= 10; ++size)
      if (random() % 8 < 3 || size == 0) symbols.push_back(std::uint8_t(run << 4 | size));
  return symbols;
}

TEST(FastJpegTables, AnswerAsAWalkFromSymbolToSymbolDoes) {
  std::mt19937_64 random(4);
  const auto tables = std::make_unique<jpeg::AcTables>();
  const auto builder = std::make_unique<jpeg::AcTableBuilder>();
  for (int i = 0; i < 200; ++i) {
    const jpeg::HuffmanCode code = random_code(some_symbols(random), random);
    ASSERT_TRUE(builder->build(code, *tables));
    for (std::uint32_t window = 0; window < std::size(tables->skip); ++window) {
      const unsigned entry = tables->skip[window];
      Walk walk;
      do walk_one(code, window, jpeg::AcTables::kSkipBits, walk);
      while (walk.found && !walk.end && walk.bits < (entry & 63));
      if (entry >> 8 == jpeg::AcTables::kOneSymbol) {
        ASSERT_FALSE(walk.found);
        continue;
      }
      ASSERT_TRUE(walk.found);
      ASSERT_EQ(entry & 63, walk.bits);
      ASSERT_EQ(entry >> 8, walk.advance + (walk.end ? jpeg::kEndOfBlock : 0));
    }
    for (std::uint32_t window = 0; window < std::size(tables->pair); ++window) {
      const std::uint64_t entry = tables->pair[window];
      const auto byte = [entry](int n) { return unsigned(entry >> 8 * n & 255); };
      Walk walk;
      walk_one(code, window, jpeg::AcTables::kPairBits, walk);
      if (byte(7) == jpeg::AcTables::kOneSymbol) {
        ASSERT_FALSE(walk.found);
        continue;
      }
      ASSERT_EQ(byte(4), unsigned(walk.size));
      ASSERT_EQ(byte(3), 64 - walk.bits);
      ASSERT_EQ(byte(1), walk.end ? jpeg::AcTables::kNowhere : unsigned(walk.place));
      if (byte(0) > walk.bits) {
        walk_one(code, window, jpeg::AcTables::kPairBits, walk);
        ASSERT_TRUE(walk.found);
        ASSERT_EQ(int(std::int16_t(entry >> 40)), walk.value);
        ASSERT_TRUE(walk.end ? byte(2) >= jpeg::AcTables::kNowhere : byte(2) == unsigned(walk.place));
      } else {
        ASSERT_GE(byte(2), jpeg::AcTables::kNowhere);
      }
      ASSERT_EQ(byte(0), walk.bits);
      ASSERT_EQ(byte(7), walk.advance + (walk.end ? jpeg::kEndOfBlock : 0));
    }
  }
}

TEST(FastJpegTables, RefuseCodesThatBaselineDoesNotHave) {
  const auto tables = std::make_unique<jpeg::AcTables>();
  const auto builder = std::make_unique<jpeg::AcTableBuilder>();
  const auto builds = [&](std::vector<int> lengths, std::vector<std::uint8_t> symbols) {
    jpeg::HuffmanCode code;
    for (std::size_t i = 0; i < lengths.size(); ++i) code.lengths[i + 1] = std::uint8_t(lengths[i]);
    std::copy(symbols.begin(), symbols.end(), code.symbols.begin());
    return builder->build(code, *tables);
  };
  EXPECT_TRUE(builds({1, 1, 1}, {0x01, 0x00, 0xF0}));
  EXPECT_FALSE(builds({2}, {0x01, 0x00}));          // Ones alone are a code.
  EXPECT_FALSE(builds({0, 5}, {1, 2, 3, 4, 5}));    // More codes than there are.
  EXPECT_FALSE(builds({1, 1}, {0x01, 0x0B}));       // A magnitude of 11 bits.
  EXPECT_FALSE(builds({1, 1}, {0x01, 0x30}));       // A run of three zeros and nothing behind it.
}

}  // namespace
}  // namespace millrace::test

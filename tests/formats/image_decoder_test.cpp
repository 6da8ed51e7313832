// PNG, WebP and BMP: Pillow's pixels, crops, and what becomes of files that are cut or changed.
#include "pipeline/formats/image_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "pipeline/decode_memory.h"

namespace millrace {
namespace {

using Bytes = std::vector<std::uint8_t>;
using testing::HasSubstr;

/// A picture of pictures.bin, with what Pillow made of it.
struct Picture {
  std::string name;
  Bytes file;
  bool read_by_pillow = false;
  Size size;
  std::uint32_t rgb = 0, grey = 0;
};

std::vector<Picture> load_pictures() {
  const std::string folder = MILLRACE_SOURCE_DIR "/tests/formats/";
  std::ifstream bin(folder + "pictures.bin", std::ios::binary), facts(folder + "pillow_pixels.tsv");
  const Bytes all{std::istreambuf_iterator<char>(bin), {}};
  std::vector<Picture> pictures;
  for (std::string line; std::getline(facts, line);) {
    if (line[0] == '#') continue;
    std::istringstream fields(line);
    Picture picture;
    std::size_t offset = 0, bytes = 0;
    fields >> picture.name >> offset >> bytes;
    picture.file.assign(all.begin() + static_cast<std::ptrdiff_t>(offset), all.begin() + static_cast<std::ptrdiff_t>(offset + bytes));
    picture.read_by_pillow = static_cast<bool>(fields >> picture.size.width >> picture.size.height >> std::hex >> picture.rgb >> picture.grey);
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

const std::vector<Picture>& pictures() {
  static const std::vector<Picture> all = load_pictures();
  return all;
}

const Bytes& file_of(const std::string& name) {
  for (const Picture& picture : pictures())
    if (picture.name == name) return picture.file;
  throw std::runtime_error("no " + name);
}

std::uint32_t checksum(const ImageView& view) {
  uLong crc = crc32(0, nullptr, 0);
  for (int y = 0; y < view.height; ++y) crc = crc32(crc, view.row(y), static_cast<uInt>(view.width * view.channels));
  return static_cast<std::uint32_t>(crc);
}

bool equal(const ImageView& a, const ImageView& b) {
  if (!(a.size() == b.size()) || a.channels != b.channels) return false;
  for (int y = 0; y < a.height; ++y)
    if (std::memcmp(a.row(y), b.row(y), static_cast<std::size_t>(a.width * a.channels)) != 0) return false;
  return true;
}

Expected<ImageView> decode_whole(Decoder& decoder, const Bytes& file, Buffer& canvas) {
  const auto info = decoder.header(file);
  if (!info) return tl::make_unexpected(info.error());
  return decoder.decode(file, {0, 0, info->size.width, info->size.height}, canvas);
}

Fault fault_of(const Bytes& file, const ImageDecoderOptions& options = {}) {
  Buffer canvas;
  const auto view = decode_whole(*make_image_decoder(options), file, canvas);
  return view ? Fault{.detail = "delivered"} : view.error();
}

/// BMP files that Pillow reads as something else than their headers say.
bool is_refused_on_purpose(const std::string& name) {
  for (const char* each : {"bmp/4_black_white.bmp", "bmp/8_black_white.bmp", "bmp/4_runs_of_8_bits.bmp"})
    if (name == each) return true;
  return false;
}

TEST(Formats, HavePillowsPixelsInColourAndGrey) {
  const auto colour = make_image_decoder(), grey = make_image_decoder({.channels = 1});
  Buffer canvas;
  int compared = 0;
  for (const Picture& picture : pictures()) {
    const auto rgb = decode_whole(*colour, picture.file, canvas);
    EXPECT_EQ(rgb.has_value(), picture.read_by_pillow && !is_refused_on_purpose(picture.name)) << picture.name << ": " << (rgb ? "" : rgb.error().detail);
    if (!rgb) continue;
    ++compared;
    EXPECT_EQ(rgb->size(), picture.size) << picture.name;
    EXPECT_EQ(checksum(*rgb), picture.rgb) << picture.name;
    EXPECT_EQ(checksum(*decode_whole(*grey, picture.file, canvas)), picture.grey) << picture.name;
  }
  EXPECT_EQ(compared, 200);
}

TEST(Formats, GiveTheSameCropsAsTheirWholePictures) {
  const auto decoder = make_image_decoder();
  std::mt19937 random(5);
  Buffer whole_canvas, canvas;
  for (const Picture& picture : pictures()) {
    const auto whole = decode_whole(*decoder, picture.file, whole_canvas);
    if (!whole) continue;
    for (int i = 0; i < 12; ++i) {
      const int left = static_cast<int>(random() % static_cast<unsigned>(whole->width)), top = static_cast<int>(random() % static_cast<unsigned>(whole->height));
      const Roi roi{left, top, 1 + static_cast<int>(random() % static_cast<unsigned>(whole->width - left)), 1 + static_cast<int>(random() % static_cast<unsigned>(whole->height - top))};
      const auto crop = decoder->decode(picture.file, roi, canvas);
      ASSERT_TRUE(crop) << picture.name << ": " << crop.error().detail;
      EXPECT_TRUE(equal(*crop, whole->crop(roi))) << picture.name << " " << roi.left << " " << roi.top << " " << roi.width << " " << roi.height;
    }
  }
}

TEST(Formats, StandUprightWhereTheyAreAskedTo) {
  const auto upright = make_image_decoder({.apply_exif_orientation = true}), stored = make_image_decoder();
  Buffer canvas, stored_canvas;
  for (const char* name : {"png/exif6.png", "png/xmp6.png", "webp/exif6.webp", "webp/xmp6.webp"}) {
    const auto turned = decode_whole(*upright, file_of(name), canvas);
    const auto plain = decode_whole(*stored, file_of(name), stored_canvas);
    ASSERT_TRUE(turned && plain) << name;
    ASSERT_EQ(turned->size(), (Size{plain->height, plain->width})) << name;
    for (int y = 0; y < turned->height; ++y)
      for (int x = 0; x < turned->width; ++x)
        ASSERT_EQ(std::memcmp(turned->row(y) + 3 * x, plain->row(plain->height - 1 - x) + 3 * y, 3), 0) << name;
    const Roi roi{2, 3, 5, 7};
    Buffer crop_canvas;
    EXPECT_TRUE(equal(*upright->decode(file_of(name), roi, crop_canvas), turned->crop(roi))) << name;
  }
}

TEST(Formats, AreFaultsWhereverTheyAreCut) {
  const auto decoder = make_image_decoder();
  Buffer canvas;
  for (const char* name : {"png/rgb8.png", "png/palette4_interlaced.png", "bmp/24.bmp", "bmp/8_runs.bmp", "bmp/32_abgr_header124.bmp", "webp/lossy.webp", "webp/lossless_alpha.webp", "webp/animated_part.webp"}) {
    const Bytes& file = file_of(name);
    const std::size_t end = std::strcmp(name, "bmp/24.bmp") == 0 ? file.size() - 1 : file.size();  // Its last byte fills up a row.
    const std::size_t needed = std::strcmp(name, "bmp/8_runs.bmp") == 0 ? end - 4 : end;           // The codes of its end are not needed.
    for (std::size_t n = 0; n < needed; ++n) {
      const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(n));
      const auto view = decode_whole(*decoder, cut, canvas);
      EXPECT_FALSE(view) << name << ": " << n << " of " << file.size() << " bytes";
      EXPECT_FALSE(!view && view.error().detail.empty()) << name;
    }
  }
}

/// The sanitizers watch; nothing may take long, print, or be larger than the limit.
TEST(Formats, AreFaultsOrPicturesWhateverTheirBytes) {
  const auto decoder = make_image_decoder({.apply_exif_orientation = true, .max_pixels = 100'000});
  std::mt19937 random(424242);
  Buffer canvas;
  for (int i = 0; i < 20'000; ++i) {
    Bytes file = pictures()[random() % pictures().size()].file;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = random() % std::min<std::size_t>(file.size(), random() % 2 ? 80 : file.size());
      switch (random() % 4) {
        case 0: file[at] = static_cast<std::uint8_t>(random()); break;
        case 1: file[at] ^= static_cast<std::uint8_t>(1u << random() % 8); break;
        case 2: file.erase(file.begin() + static_cast<std::ptrdiff_t>(at)); break;
        default: file.insert(file.begin() + static_cast<std::ptrdiff_t>(at), file[at]);
      }
    }
    file.shrink_to_fit();
    const auto info = decoder->header(file);
    if (!info) continue;
    ASSERT_LE(std::int64_t{info->size.width} * info->size.height, 100'000);
    static_cast<void>(decoder->decode(file, {0, 0, info->size.width, info->size.height}, canvas));
  }
}

TEST(Formats, PrintNothing) {
  Bytes damaged = file_of("png/rgb8.png");
  damaged[damaged.size() - 30] ^= 1;
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  EXPECT_EQ(fault_of(file_of("png/odd_profile.png")).detail, "delivered");
  const Fault fault = fault_of(damaged);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(fault.kind, FaultKind::corrupt);
  EXPECT_THAT(fault.detail, HasSubstr("libpng: IDAT: "));
  EXPECT_GT(fault.offset_bytes, 0u);
}

TEST(Formats, NameWhatIsNotRead) {
  const auto bytes = [](const std::string& text) { return Bytes(text.begin(), text.end()); };
  const Fault tiff = fault_of(bytes(std::string("II*\0\x08\0\0\0", 8)));
  EXPECT_EQ(tiff.kind, FaultKind::unsupported);
  EXPECT_EQ(tiff.detail, "a TIFF file");
  const Fault unknown = fault_of(bytes("nonsense"));
  EXPECT_EQ(unknown.kind, FaultKind::corrupt);
  EXPECT_THAT(unknown.detail, HasSubstr("it begins with 6E 6F 6E 73"));
  EXPECT_EQ(fault_of({}).kind, FaultKind::truncated);
  EXPECT_THAT(fault_of(file_of("bmp/32_odd_header124.bmp")).detail, HasSubstr("masks 0x3ff00000"));
  EXPECT_EQ(fault_of(file_of("bmp/2.bmp")).kind, FaultKind::unsupported);
}

TEST(Formats, RefuseWhatIsDeclaredAboveTheLimitUndecoded) {
  Bytes file = file_of("png/rgb8.png");
  file[18] = 0x7f;
  for (const Bytes& each : {file, file_of("webp/lossy.webp"), file_of("bmp/24.bmp"), file_of("png/rgb8.png")}) {
    const Fault fault = fault_of(each, {.max_pixels = 200});
    EXPECT_EQ(fault.kind, FaultKind::too_large);
    EXPECT_THAT(fault.detail, HasSubstr("data.max_megapixels"));
  }
  EXPECT_EQ(fault_of(file_of("png/rgb8.png"), {.max_pixels = 21 * 13}).detail, "delivered");
}

TEST(Formats, SayWhatTheirLibrariesTake) {
  const auto decoder = make_image_decoder();
  const auto bytes_of = [&](const char* name) {
    EXPECT_TRUE(decoder->header(file_of(name))) << name;
    return dynamic_cast<const DecodeMemory&>(*decoder).decode_bytes();
  };
  const std::uint64_t pixels = 21 * 13;
  EXPECT_EQ(bytes_of("bmp/24.bmp"), 0u);
  EXPECT_EQ(bytes_of("bmp/8_runs.bmp"), pixels);
  EXPECT_GE(bytes_of("webp/lossless.webp"), bytes_of("webp/lossy.webp") + 4 * pixels - 128 * 21);
  EXPECT_GE(bytes_of("webp/lossy_alpha.webp"), bytes_of("webp/lossy.webp") + 5 * pixels);
  EXPECT_GT(bytes_of("png/rgb8.png"), 0u);
}

TEST(Formats, AreDecodedByManyThreadsAtATime) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&wrong] {
      const auto decoder = make_image_decoder();
      Buffer canvas;
      for (const Picture& picture : pictures()) {
        const auto view = decode_whole(*decoder, picture.file, canvas);
        wrong += view && checksum(*view) != picture.rgb;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Formats, HaveOneOrThreeChannels) { EXPECT_THROW(make_image_decoder({.channels = 4}), Error); }

TEST(FormatsDeathTest, AbortOnARoiOutsideThePicture) {
  Buffer canvas;
  const auto decoder = make_image_decoder();
  EXPECT_DEATH((void)decoder->decode(file_of("png/rgb8.png"), {20, 0, 2, 5}, canvas), "roi must lie inside");
}

}  // namespace
}  // namespace millrace

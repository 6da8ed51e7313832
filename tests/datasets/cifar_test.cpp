#include "datasets/cifar.h"

#include <gmock/gmock.h>
#include <random>

#include "fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t kPlane = 1024, kPixels = 3 * kPlane;

/// Red, green and blue planes that differ.
Bytes planes(std::uint8_t seed) {
  Bytes bytes(kPixels);
  for (std::size_t i = 0; i < kPixels; ++i) bytes[i] = static_cast<std::uint8_t>(i % kPlane + 50 * (i / kPlane) + seed);
  return bytes;
}

class Cifar : public DataFolder {
 protected:
  static Bytes record10(std::uint8_t label, std::uint8_t seed = 0) { return Bytes{label} + planes(seed); }
  static Bytes record100(std::uint8_t coarse, std::uint8_t fine) { return Bytes{coarse, fine} + planes(fine); }
  void write_cifar10(const std::string& under = "") const {
    for (std::uint8_t i = 1; i <= 5; ++i) write(under + "data_batch_" + std::to_string(i) + ".bin", record10(i) + record10(0, i));
  }
  std::unique_ptr<Source> open(CifarOptions options = {}) const {
    options.folder = folder_;
    return open_cifar(options);
  }
  std::unique_ptr<Source> open100(CifarOptions::Labels labels = CifarOptions::Labels::fine) const {
    return open({.set = CifarOptions::Set::cifar100, .labels = labels});
  }
  std::int64_t label(const Source& source, std::uint64_t index) const {
    Buffer scratch;
    return source.read(index, scratch)->label;
  }
};

TEST_F(Cifar, TenJoinsItsFiveTrainingFiles) {
  write_cifar10();
  const auto source = open();
  ASSERT_EQ(source->size(), 10u);
  EXPECT_EQ(label(*source, 4), 3);
  EXPECT_EQ(source->info().name, "cifar10");
  EXPECT_EQ(source->info().classes[9], "truck");
}

TEST_F(Cifar, PlanesBecomeInterleavedPixels) {
  write_cifar10();
  Buffer scratch;
  const auto source = open();
  const auto sample = source->read(3, scratch).value();
  EXPECT_EQ(sample.pixels.size(), (Size{32, 32}));
  EXPECT_EQ(sample.pixels.channels, 3);
  const Bytes original = planes(2);
  for (std::size_t i : {0u, 31u, 32u, 700u, 1023u}) {
    for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(sample.pixels.data[3 * i + c], original[kPlane * c + i]);
  }
}

TEST_F(Cifar, TheUsualFolderIsFoundBelowTheOneNamed) {
  write_cifar10("cifar-10-batches-bin/");
  EXPECT_EQ(open()->size(), 10u);
}

TEST_F(Cifar, HundredHasFineOrCoarseLabels) {
  write("train.bin", record100(3, 77) + record100(19, 99));
  EXPECT_EQ(label(*open100(), 1), 99);
  EXPECT_EQ(label(*open100(CifarOptions::Labels::coarse), 1), 19);
  EXPECT_EQ(open100(CifarOptions::Labels::coarse)->info().classes.size(), 20u);
}

TEST_F(Cifar, ClassNamesComeFromTheTextFile) {
  write_cifar10();
  write("batches.meta.txt", std::string("a\r\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n"));
  EXPECT_THAT(open()->info().classes, testing::ElementsAre("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"));
  write("batches.meta.txt", std::string("a\nb\n"));
  EXPECT_THAT(error_of([&] { open(); }), HasSubstr("batches.meta.txt: holds 2 class names, cifar10 has 10"));
}

TEST_F(Cifar, APartOfARecordIsToldWithItsOffset) {
  write("train.bin", record100(1, 1) + Bytes(100));
  EXPECT_THAT(error_of([&] { open100(); }), HasSubstr("train.bin: byte 3074: the last record has 100 bytes of 3074"));
}

TEST_F(Cifar, ALabelOutOfRangeIsToldWithItsOffset) {
  write("train.bin", record100(1, 1) + record100(2, 100));
  EXPECT_THAT(error_of([&] { open100(); }), HasSubstr("train.bin: byte 3075: label 100 is out of range 0..99"));
  write("train.bin", record100(20, 1));
  EXPECT_THAT(error_of([&] { open100(); }), HasSubstr("train.bin: byte 0: label 20 is out of range 0..19"));
}

TEST_F(Cifar, AMissingOrEmptyFileIsTold) {
  EXPECT_THAT(error_of([&] { open(); }), HasSubstr("data_batch_1.bin: cannot be opened: No such file"));
  write("train.bin", Bytes{});
  EXPECT_THAT(error_of([&] { open100(); }), HasSubstr("train.bin: the file is empty"));
}

TEST_F(Cifar, AnotherNumberOfRecordsThanPublishedIsToldAsVerifySays) {
  write("train.bin", record100(1, 1));
  std::vector<std::string> warnings;
  CifarOptions options{.set = CifarOptions::Set::cifar100, .warn = [&](const std::string& text) { warnings.push_back(text); }};
  open(options);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("train.bin: holds 1 records, the published file 50000"));
  options.verify = Verify::strict;
  EXPECT_THAT(error_of([&] { open(options); }), HasSubstr("the published file 50000"));
}

TEST_F(Cifar, NoMutationOfAFileCrashes) {
  const unsigned seed = 7;
  SCOPED_TRACE(seed);
  std::mt19937 dice(seed);
  int opened = 0, refused = 0;
  for (int round = 0; round < 1'500; ++round) {
    Bytes file = record100(1, 1) + record100(2, 2);
    for (unsigned n = dice() % 3; n > 0; --n) file[dice() % 2 ? dice() % file.size() : dice() % 2 * 3074 + dice() % 2] = static_cast<std::uint8_t>(dice());
    if (dice() % 4 == 0) file.resize(dice() % 3 == 0 ? 3074 : dice() % 7000);
    write("train.bin", file);
    try {
      opened += open100()->size() > 0;
    } catch (const Error& e) {
      refused += e.kind() == ErrorKind::data;
    }
  }
  EXPECT_EQ(opened + refused, 1'500);
  EXPECT_GT(opened, 100);
  EXPECT_GT(refused, 100);
}

TEST_F(Cifar, GenuineHundredHasBalancedClassesAndItsNames) {
  MILLRACE_NEEDS_DATA("cifar-100-binary");
  const auto source = open_cifar({.folder = data_root() / "cifar-100-binary", .set = CifarOptions::Set::cifar100, .split = Split::test});
  std::vector<int> counts(100);
  for (std::uint64_t i = 0; i < source->size(); ++i) ++counts[static_cast<std::size_t>(label(*source, i))];
  EXPECT_THAT(counts, testing::Each(100));
  EXPECT_EQ(source->info().classes[0], "apple");
  EXPECT_EQ(source->info().classes[99], "worm");
}

}  // namespace
}  // namespace millrace

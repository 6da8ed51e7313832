#include "datasets/idx.h"

#include <gmock/gmock.h>
#include <random>

#include "fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Idx : public DataFolder {
 protected:
  static constexpr std::uint32_t kCount = 5, kHeight = 3, kWidth = 4;
  static Bytes images(std::uint32_t count = kCount, std::uint32_t height = kHeight, std::uint32_t width = kWidth) {
    return big_endian32(0x803) + big_endian32(count) + big_endian32(height) + big_endian32(width) + counting(kCount * kHeight * kWidth);
  }
  static Bytes labels(Bytes values = {7, 0, 9, 1, 2}) { return big_endian32(0x801) + big_endian32(static_cast<std::uint32_t>(values.size())) + values; }
  static Bytes without_end(Bytes bytes, std::size_t count) {
    bytes.resize(bytes.size() - count);
    return bytes;
  }
  void write_set(const Bytes& image_file, const Bytes& label_file) const {
    write("train-images-idx3-ubyte", image_file);
    write("train-labels-idx1-ubyte", label_file);
  }
  std::unique_ptr<Source> open(IdxOptions options = {}) const {
    options.folder = folder_;
    if (options.name == "mnist") options.name = "tiny";
    return open_idx(options);
  }
  static long peak_resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
    }
    return 0;
  }
  std::string error() const {
    return error_of([&] { open(); });
  }
};

TEST_F(Idx, GivesPicturesAndLabelsAsTheFilesHoldThem) {
  write_set(images(), labels());
  const auto source = open();
  Buffer scratch;
  ASSERT_EQ(source->size(), 5u);
  const auto sample = source->read(2, scratch).value();
  EXPECT_EQ(sample.label, 9);
  EXPECT_EQ(sample.pixels.size(), (Size{4, 3}));
  const Bytes pixels = counting(60);
  EXPECT_EQ(Bytes(sample.pixels.data, sample.pixels.data + 12), Bytes(pixels.begin() + 24, pixels.begin() + 36));
  EXPECT_EQ(scratch.capacity_bytes(), 0u) << "raw samples are views";
}

TEST_F(Idx, InfoSaysNameShapeAndClasses) {
  write_set(images(), labels());
  const auto info = open()->info();
  EXPECT_EQ(info.name, "tiny");
  EXPECT_EQ(info.raw_size, (Size{4, 3}));
  EXPECT_EQ(info.channels, 1);
  EXPECT_THAT(info.classes, ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"));
  EXPECT_EQ(open()->origin(3), "tiny[3]");
}

TEST_F(Idx, ReadsGzipAndDottedNamesAndGzipUnderAPlainName) {
  write_set(images(), labels());
  const std::string plain = open()->info().fingerprint;
  write("t10k-images.idx3-ubyte", images());
  write("t10k-labels-idx1-ubyte.gz", gzipped(labels()));
  EXPECT_EQ(open({.split = Split::test})->info().fingerprint, plain);
  write_set(gzipped(images()), gzipped(labels()));
  EXPECT_EQ(open()->info().fingerprint, plain);
}

TEST_F(Idx, ReadsGzipOfSeveralMembers) {
  const Bytes all = images();
  write_set(gzipped(Bytes(all.begin(), all.begin() + 20)) + gzipped(Bytes(all.begin() + 20, all.end())), labels());
  EXPECT_EQ(open()->size(), 5u);
}

TEST_F(Idx, FingerprintTellsPixelsAndLabelsApart) {
  write_set(images(), labels());
  const std::string first = open()->info().fingerprint;
  write_set(images(), labels({7, 0, 9, 1, 3}));
  const std::string other_label = open()->info().fingerprint;
  Bytes changed = images();
  changed.back() ^= 1;
  write_set(changed, labels());
  EXPECT_NE(first, other_label);
  EXPECT_NE(first, open()->info().fingerprint);
}

TEST_F(Idx, ATruncatedFileIsToldWithItsLengthAndWhatItShouldHave) {
  write_set(without_end(images(), 9), labels());
  EXPECT_THAT(error(), AllOf(HasSubstr("train-images-idx3-ubyte: byte 67: the file is truncated"), HasSubstr("has 67 bytes, its header declares 76")));
  write_set(images(), without_end(labels(), 9));
  EXPECT_THAT(error(), AllOf(HasSubstr("train-labels-idx1-ubyte: byte 4: the file ends, the header should go on for 4 bytes")));
}

TEST_F(Idx, AnOverlongFileIsToldWhereItShouldEnd) {
  write_set(images() + Bytes{1, 2}, labels());
  EXPECT_THAT(error(), HasSubstr("train-images-idx3-ubyte: byte 76: the file is too long"));
  write_set(gzipped(images() + Bytes{1}), labels());
  EXPECT_THAT(error(), HasSubstr("byte 76: the file is too long (unpacked)"));
}

TEST_F(Idx, ATruncatedOrDamagedGzipIsTold) {
  write_set(without_end(gzipped(images()), 12), labels());
  EXPECT_THAT(error(), HasSubstr("the gzip stream ends early"));
  Bytes damaged = gzipped(images());
  damaged[damaged.size() - 6] ^= 1;  // In the CRC.
  write_set(damaged, labels());
  EXPECT_THAT(error(), AllOf(HasSubstr("the gzip stream is damaged"), HasSubstr("incorrect data check")));
  write_set(gzipped(without_end(images(), 5)), labels());
  EXPECT_THAT(error(), HasSubstr("byte 71: the file ends (unpacked), the data should go on for 5 bytes"));
}

TEST_F(Idx, ZerosAfterAGzipStreamAreNoData) {
  write_set(gzipped(images()) + Bytes(100'000), gzipped(labels()) + Bytes(1));
  EXPECT_EQ(open()->size(), 5u);
  write_set(gzipped(images()) + Bytes(70'000) + Bytes{1}, labels());
  EXPECT_THAT(error(), HasSubstr("followed by zeros and then by other bytes"));
}

TEST_F(Idx, EmnistsFilesAndLabelsFromOneAreTakenByName) {
  write("emnist-letters-train-images-idx3-ubyte", images());
  write("emnist-letters-train-labels-idx1-ubyte.gz", gzipped(labels({1, 26, 3, 2, 1})));
  write("emnist-letters-test-images-idx3-ubyte", images());
  write("emnist-letters-test-labels-idx1-ubyte", labels({1, 2, 3, 4, 5}));
  std::vector<std::string> letters;
  for (char c = 'a'; c <= 'z'; ++c) letters.emplace_back(1, c);
  const IdxOptions options{.name = "idx", .files = "emnist-letters", .classes = letters, .first_label = 1};
  Buffer scratch;
  const auto source = open(options);
  EXPECT_EQ(source->info().classes.at(static_cast<std::size_t>(source->read(1, scratch)->label)), "z");
  IdxOptions test = options;
  test.split = Split::test;
  EXPECT_EQ(open(test)->read(4, scratch)->label, 4);
}

TEST_F(Idx, ClassesWithoutNamesAreCountedFromTheirLabels) {
  write_set(images(), labels({1, 46, 3, 2, 1}));
  EXPECT_EQ(open({.name = "idx", .count_classes = true})->info().classes.size(), 47u);
  const auto from_one = open({.name = "idx", .count_classes = true, .first_label = 1});
  EXPECT_EQ(from_one->info().classes.size(), 46u);
  EXPECT_EQ(from_one->info().classes.front(), "1");
  write_set(images(), labels({1, 0, 3, 2, 1}));
  EXPECT_THAT(error_of([&] { open({.name = "idx", .count_classes = true, .first_label = 1}); }),
              AllOf(HasSubstr("byte 9: label 0 is out of range, the set has 3 classes from label 1 on"), HasSubstr("data.first_label")));
}

TEST_F(Idx, TorchvisionsRawFolderIsFound) {
  write("MNIST/raw/train-images-idx3-ubyte", images());
  write("MNIST/raw/train-labels-idx1-ubyte", labels());
  EXPECT_EQ(open_idx({.folder = folder_, .name = "mnist", .verify = Verify::off})->size(), 5u);
  EXPECT_EQ(open_idx({.folder = folder_ / "MNIST", .name = "mnist", .verify = Verify::off})->size(), 5u);
}

TEST_F(Idx, AWrongMagicIsToldWithWhatWasExpected) {
  write_set(labels({1, 2, 3, 4, 5, 6, 7, 8, 9}), labels());
  EXPECT_THAT(error(), AllOf(HasSubstr("byte 0: wrong magic 0x00000801"), HasSubstr("begin with 0x00000803")));
}

TEST_F(Idx, DifferentCountsOfPicturesAndLabelsAreTold) {
  write_set(images(), labels({1, 2, 3, 4}));
  EXPECT_THAT(error(), AllOf(HasSubstr("declares 5 pictures"), HasSubstr("4 labels")));
}

TEST_F(Idx, ALabelWithoutAClassIsToldWithItsOffset) {
  write_set(images(), labels({1, 2, 3, 10, 4}));
  EXPECT_THAT(error(), HasSubstr("train-labels-idx1-ubyte: byte 11: label 10 is out of range, the set has 10 classes"));
  EXPECT_EQ(open({.classes = std::vector<std::string>(11, "c")})->size(), 5u);
}

TEST_F(Idx, DeclaredSizesAreBoundedBeforeMemoryIsAskedFor) {
  write_set(images(0), labels());
  EXPECT_THAT(error(), HasSubstr("byte 4: the file declares no entries"));
  write_set(images(kCount, 0), labels());
  EXPECT_THAT(error(), HasSubstr("byte 8: declares pictures with a side of 0"));
  write_set(images(kCount, 3, 0x10000), labels());
  EXPECT_THAT(error(), HasSubstr("byte 12: declares pictures with a side of 65536"));
  write_set(images(0xffffffff, 65535, 65535), labels());
  EXPECT_THAT(error(), HasSubstr("declares more than 4 GiB"));
}

TEST_F(Idx, AGzipBombIsRefusedWithoutUnpackingIt) {
  // The header declares 76 bytes, the file unpacks to 64 MiB.
  write_set(gzipped(images() + Bytes(64 << 20, 0)), labels());
  std::ofstream("/proc/self/clear_refs") << 5;  // The peak begins anew at what is held now.
  const long before = peak_resident_kib();
  EXPECT_THAT(error(), HasSubstr("the file is too long (unpacked)"));
  EXPECT_LT(peak_resident_kib() - before, 8 << 10);
}

TEST_F(Idx, AHeaderThatDeclaresMoreThanGzipCanPackIsRefused) {
  write_set(gzipped(images(1'000'000, 28, 28)), labels());
  EXPECT_THAT(error(), HasSubstr("its header declares 784000016, more than gzip can pack into it"));
}

TEST_F(Idx, AMissingFileIsToldWithTheNamesLookedFor) {
  write("train-labels-idx1-ubyte", labels());
  EXPECT_THAT(error(), AllOf(HasSubstr(folder_.string()), HasSubstr("train-images-idx3-ubyte"), HasSubstr("train-images.idx3-ubyte"), HasSubstr(".gz")));
}

TEST_F(Idx, AFolderInPlaceOfAFileIsTold) {
  write("train-labels-idx1-ubyte", labels());
  std::filesystem::create_directory(folder_ / "train-images-idx3-ubyte");
  EXPECT_THAT(error(), HasSubstr("train-images-idx3-ubyte: is a folder where a file should be"));
}

TEST_F(Idx, AnUnreadableFileOrFolderIsTold) {
  write_set(images(), labels());
  std::filesystem::permissions(folder_ / "train-images-idx3-ubyte", std::filesystem::perms::none);
  const WithoutPrivileges dropped;
  if (!dropped.effective()) GTEST_SKIP() << "cannot drop root's powers";
  EXPECT_THAT(error(), AllOf(HasSubstr("train-images-idx3-ubyte: cannot be opened: Permission denied"), HasSubstr("readable")));
}

TEST_F(Idx, AnIndexBeyondTheEndIsAFault) {
  write_set(images(), labels());
  Buffer scratch;
  EXPECT_EQ(open()->read(5, scratch).error().kind, FaultKind::missing);
}

TEST_F(Idx, NoMutationOfTheFilesCrashes) {
  const unsigned seed = 20240611;
  SCOPED_TRACE(seed);
  std::mt19937 dice(seed);
  int opened = 0, refused = 0;
  for (int round = 0; round < 2'000; ++round) {
    Bytes files[2] = {images(), labels()};
    for (Bytes& file : files) {
      if (dice() % 3 == 0) file = gzipped(file);
      for (unsigned n = dice() % 4; n > 0; --n) file[dice() % (dice() % 2 ? file.size() : std::min<std::size_t>(16, file.size()))] = static_cast<std::uint8_t>(dice());
      if (dice() % 4 == 0) file.resize(dice() % (file.size() + 8));
      if (file.empty()) file.push_back(0);
    }
    write_set(files[0], files[1]);
    try {
      const auto source = open();
      Buffer scratch;
      for (std::uint64_t i = 0; i < source->size(); ++i) opened += source->read(i, scratch).has_value() && i == 0;
    } catch (const Error& e) {
      refused += e.kind() == ErrorKind::data;
    }
  }
  EXPECT_EQ(opened + refused, 2'000);
  EXPECT_GT(opened, 100);
  EXPECT_GT(refused, 100);
}

class GenuineIdx : public testing::TestWithParam<const char*> {};

TEST_P(GenuineIdx, OpensStrictlyAndHoldsWhatWasPublished) {
  MILLRACE_NEEDS_DATA(GetParam());
  const auto train = open_idx({.folder = data_root() / GetParam(), .name = GetParam(), .verify = Verify::strict});
  const auto test = open_idx({.folder = data_root() / GetParam(), .name = GetParam(), .split = Split::test, .verify = Verify::strict});
  EXPECT_EQ(train->size(), 60'000u);
  EXPECT_EQ(test->size(), 10'000u);
  EXPECT_EQ(train->info().raw_size, (Size{28, 28}));
}
INSTANTIATE_TEST_SUITE_P(Sets, GenuineIdx, testing::Values("mnist", "fashion-mnist"), [](const auto& set) { return std::string(set.param).substr(0, 5); });

TEST_F(Idx, GenuineMnistBeginsWithAFive) {
  MILLRACE_NEEDS_DATA("mnist");
  const auto source = open_idx({.folder = data_root() / "mnist", .verify = Verify::off});
  Buffer scratch;
  EXPECT_EQ(source->read(0, scratch)->label, 5);
  EXPECT_EQ(source->read(1, scratch)->label, 0);
}

}  // namespace
}  // namespace millrace

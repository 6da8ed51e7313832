#include "datasets/checksums.h"

#include <gmock/gmock.h>

#include "datasets/cifar.h"
#include "datasets/idx.h"
#include "fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Sums : public DataFolder {
 protected:
  /// A set that is called mnist but is not.
  void write_false_mnist() const {
    write("train-images-idx3-ubyte", big_endian32(0x803) + big_endian32(1) + big_endian32(1) + big_endian32(1) + Bytes{200});
    write("train-labels-idx1-ubyte", big_endian32(0x801) + big_endian32(1) + Bytes{3});
  }
  IdxOptions mnist(Verify verify) {
    return {.folder = folder_, .verify = verify, .warn = [this](const std::string& text) { warnings_.push_back(text); }};
  }
  std::vector<std::string> warnings_;
};

TEST_F(Sums, AreThoseOfTheStandardsExamples) {
  const Bytes abc = {'a', 'b', 'c'};
  Checksum md5(Checksum::Kind::md5), sha256(Checksum::Kind::sha256);
  md5.add(abc);
  sha256.add(abc);
  EXPECT_EQ(md5.finish(), "900150983cd24fb0d6963f7d28e17f72");                                        // RFC 1321, A.5.
  EXPECT_EQ(sha256.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");    // FIPS 180-2, B.1.
}

TEST_F(Sums, OfAFileEqualThoseOfItsBytes) {
  const Bytes bytes = counting(700'001);
  write("file", bytes);
  Checksum whole(Checksum::Kind::sha256);
  whole.add(bytes);
  EXPECT_EQ(checksum_of(File(folder_ / "file"), Checksum::Kind::sha256), whole.finish());
}

TEST_F(Sums, StrictRefusesOtherDataAndNamesBothSums) {
  write_false_mnist();
  EXPECT_THAT(error_of([&] { open_idx(mnist(Verify::strict)); }),
              AllOf(HasSubstr("train-labels-idx1-ubyte: not the published file of mnist: SHA-256 "),
                    HasSubstr("expected 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")));
}

TEST_F(Sums, WarnTellsOncePerFileAndGoesOn) {
  write_false_mnist();
  EXPECT_EQ(open_idx(mnist(Verify::warn))->size(), 1u);
  ASSERT_EQ(warnings_.size(), 2u);
  EXPECT_THAT(warnings_[1], HasSubstr("expected ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"));
}

TEST_F(Sums, OffTakesNoSumAndNoSinkIsNeededToWarn) {
  write_false_mnist();
  open_idx(mnist(Verify::off));
  open_idx({.folder = folder_});
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(Sums, KnownSumsAreWellFormedAndDistinct) {
  std::vector<std::string_view> seen;
  for (const KnownFile& known : known_files()) {
    EXPECT_EQ(known.gzip_md5.size(), 32u);
    EXPECT_EQ(known.sha256.size(), 64u);
    seen.push_back(known.sha256);
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::unique(seen).begin(), seen.end());
  EXPECT_EQ(find_known("mnist", "train-images-idx3-ubyte")->gzip_md5, "f68b3c2dcbeaaa9fbdd348bbdeb94873");
  EXPECT_EQ(find_known("tiny", "train-images-idx3-ubyte"), nullptr);
}

TEST_F(Sums, OfGenuineFilesAreTheKnownOnes) {
  MILLRACE_NEEDS_DATA("mnist");
  for (const KnownFile& known : known_files()) {
    const auto plain = data_root() / known.set / known.file, packed = std::filesystem::path(plain.string() + ".gz");
    if (std::filesystem::exists(plain)) {
      EXPECT_EQ(checksum_of(File(plain), Checksum::Kind::sha256), known.sha256) << plain;
    }
    if (std::filesystem::exists(packed)) {
      EXPECT_EQ(checksum_of(File(packed), Checksum::Kind::md5), known.gzip_md5) << packed;
    }
  }
}

}  // namespace
}  // namespace millrace

#include "datasets/folder.h"

#include <atomic>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <thread>

#include "fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Folder : public DataFolder {
 protected:
  std::unique_ptr<Source> open(std::uint64_t max_file_bytes = std::uint64_t{256} << 20) {
    return open_folder({.folder = folder_, .max_file_bytes = max_file_bytes, .warn = [this](const std::string& text) { warnings_.push_back(text); }});
  }
  std::string error() {
    return error_of([&] { open(); });
  }
  /// Paths of all samples, relative to the folder.
  std::vector<std::string> names() {
    const auto source = open();
    std::vector<std::string> all;
    for (std::uint64_t i = 0; i < source->size(); ++i) all.push_back(fs::path(source->origin(i)).lexically_relative(folder_).string());
    return all;
  }
  Expected<Sample> read(const Source& source, std::uint64_t index) { return source.read(index, scratch_); }
  void write_pictures(std::initializer_list<const char*> paths) const {
    for (const char* path : paths) write(path, std::string(path));
  }
  std::vector<std::string> warnings_;
  Buffer scratch_;
};

TEST_F(Folder, ClassesAndSamplesComeInTorchvisionsOrder) {
  // As torchvision 0.26 lists this tree: by class, by folder (as text), by file name.
  write_pictures({"b/1.jpg", "a/z.jpg", "a/sub/b.jpg", "a/sub-2/c.jpg", "a/sub/x/d.jpg", "a/B.JPG", "Z/k.png"});
  EXPECT_THAT(open()->info().classes, ElementsAre("Z", "a", "b"));
  EXPECT_THAT(names(), ElementsAre("Z/k.png", "a/B.JPG", "a/z.jpg", "a/sub/b.jpg", "a/sub-2/c.jpg", "a/sub/x/d.jpg", "b/1.jpg"));
}

TEST_F(Folder, ReadGivesTheFilesBytesAndTheClassOfItsFolder) {
  write_pictures({"a/1.jpg", "b/2.webp"});
  const auto source = open();
  const auto sample = read(*source, 1).value();
  EXPECT_EQ(std::string(sample.bytes.begin(), sample.bytes.end()), "b/2.webp");
  EXPECT_EQ(sample.label, 1);
  EXPECT_FALSE(sample.raw());
}

TEST_F(Folder, OnlyPicturesCountAndOneWarningTellsOfOthers) {
  write_pictures({"a/1.jpg", "a/2.Jpeg", "a/3.PNG", "a/5.bmp", "a/9.webp", "a/note.txt", "a/jpg", "a/x.jpg.gz"});
  EXPECT_EQ(open()->size(), 5u);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_THAT(warnings_[0], AllOf(HasSubstr("3 files"), HasSubstr("the first is a/jpg"), testing::Not(HasSubstr("among them"))));
}

TEST_F(Folder, PassedOverPicturesOfOtherFormatsAreCountedByTheirEndings) {
  write_pictures({"a/.DS_Store", "a/1.jpg", "a/2.HEIC", "b/3.gif", "b/4.heic", "b/5.png"});
  EXPECT_EQ(open()->size(), 2u);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_THAT(warnings_[0], AllOf(HasSubstr("4 files"), HasSubstr("the first is a/.DS_Store"), HasSubstr("(.gif: 1, .heic: 2)")));
}

TEST_F(Folder, FilesThatNoDecoderReadsAreToldAtOnceAndStaySamples) {
  write("a/1.tif", std::string("II*\0\x08\0\0\0", 8));
  write("a/2.ppm", std::string("P6 1 1 255\n123"));
  write("a/3.tiff", std::string("\xff\xd8\xff\xe0 a JPEG file under another's name"));
  write("a/4.jpg", std::string("\xff\xd8\xff\xe0"));
  write("b/._5.jpg", std::string("\0\5\x16\7\0\2\0\0", 8));
  write("b/6.TIF", std::string("MM\0*\0\0\0\x08", 8));
  write("b/7.pgm", Bytes{});
  const auto source = open();
  EXPECT_EQ(source->size(), 7u) << "ImageFolder's samples";
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_THAT(warnings_[0], AllOf(HasSubstr("4 files cannot be read"), HasSubstr("a TIFF file: 2"), HasSubstr("a PPM file: 1"), HasSubstr("an AppleDouble file"),
                                  HasSubstr("the first is a/1.tif")));
  EXPECT_EQ(source->info().unreadable, warnings_[0]);
}

TEST_F(Folder, LinksAreFollowedAndCyclesEnd) {
  write_pictures({"a/1.jpg", "a/deep/2.jpg", "b/3.jpg"});
  fs::create_directory_symlink(folder_ / "a", folder_ / "a/deep/up");
  fs::create_directory_symlink(folder_, folder_ / "b/root");
  fs::create_directory_symlink("a", folder_ / "c");
  fs::create_symlink("3.jpg", folder_ / "b/link.jpg");
  EXPECT_THAT(names(), ElementsAre("a/1.jpg", "a/deep/2.jpg", "b/3.jpg", "b/link.jpg", "c/1.jpg", "c/deep/2.jpg"));
}

TEST_F(Folder, AFolderReachedByTwoWaysCountsByEach) {
  // Oversampling by links; torchvision lists the same.
  write_pictures({"a/1.jpg", "b/2.jpg"});
  fs::create_directory_symlink("../b", folder_ / "a/more");
  fs::create_directory_symlink("../b", folder_ / "a/once_more");
  EXPECT_THAT(names(), ElementsAre("a/1.jpg", "a/more/2.jpg", "a/once_more/2.jpg", "b/2.jpg"));
  EXPECT_THAT(warnings_, testing::IsEmpty());
}

TEST_F(Folder, ALinkThatIsNotFollowedIsTold) {
  write_pictures({"a/1.jpg"});
  fs::create_directory_symlink("..", folder_ / "a/up");
  EXPECT_THAT(names(), ElementsAre("a/1.jpg"));
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_THAT(warnings_[0], HasSubstr("1 links to a folder that they lie in were not followed, the first is a/up"));
}

TEST_F(Folder, LinksThatMultiplyFoldersEndWithAnError) {
  for (int i = 0; i < 10; ++i) write_pictures({("a/" + std::to_string(i) + "/1.jpg").c_str()});
  for (int i = 0; i < 10; ++i)
    for (int j = 0; j < 10; ++j) fs::create_directory_symlink(folder_ / "a" / std::to_string(j), folder_ / "a" / std::to_string(i) / ("to" + std::to_string(j)));
  EXPECT_THAT(error(), HasSubstr("more than 65536 links to folders are met in it"));
}

TEST_F(Folder, HiddenFoldersAndThoseOfProgramsAreNoClassesAndTold) {
  write_pictures({"a/1.jpg", "a/@eaDir/1.jpg/thumbnail.jpg", ".ipynb_checkpoints/1-checkpoint.jpg", ".git/config", "__MACOSX/a/2.jpg"});
  EXPECT_THAT(open()->info().classes, ElementsAre("a"));
  EXPECT_THAT(names(), ElementsAre("a/1.jpg"));
  EXPECT_THAT(warnings_[0], HasSubstr("4 folders that are hidden or made by programs were passed over, the first is .git"));
}

TEST_F(Folder, OnlyATestSetMayHaveAClassWithoutPictures) {
  write_pictures({"a/1.jpg", "c/2.jpg"});
  fs::create_directory(folder_ / "b");
  EXPECT_THAT(error(), HasSubstr("/b: the class folder holds no picture"));
  const auto source = open_folder({.folder = folder_, .empty_classes = true});
  EXPECT_THAT(source->info().classes, ElementsAre("a", "b", "c"));
  EXPECT_THAT(source->info().class_sizes, ElementsAre(1u, 0u, 1u));
  EXPECT_EQ(read(*source, 1)->label, 2);
  fs::remove_all(folder_ / "a");
  fs::remove_all(folder_ / "c");
  EXPECT_THAT(error_of([&] { open_folder({.folder = folder_, .empty_classes = true}); }), HasSubstr("no class folder holds a picture"));
}

TEST_F(Folder, ALinkToNowhereIsAMissingSample) {
  write_pictures({"a/1.jpg"});
  fs::create_symlink("gone.jpg", folder_ / "a/0.jpg");
  const auto source = open();
  const Fault fault = read(*source, 0).error();
  EXPECT_EQ(fault.kind, FaultKind::missing);
  EXPECT_EQ(fault.origin, (folder_ / "a/0.jpg").string());
  EXPECT_TRUE(read(*source, 1).has_value());
}

TEST_F(Folder, AnUnreadableFileIsAMissingSample) {
  write_pictures({"a/1.jpg", "a/2.jpg"});
  fs::permissions(folder_ / "a/1.jpg", fs::perms::none);
  const WithoutPrivileges dropped;
  if (!dropped.effective()) GTEST_SKIP() << "cannot drop root's powers";
  const auto source = open();
  EXPECT_THAT(read(*source, 0).error().detail, HasSubstr("Permission denied"));
  EXPECT_EQ(read(*source, 0).error().kind, FaultKind::missing);
}

TEST_F(Folder, AnUnreadableFolderIsNamed) {
  write_pictures({"a/1.jpg", "a/shut/2.jpg"});
  fs::permissions(folder_ / "a/shut", fs::perms::none);
  {
    const WithoutPrivileges dropped;
    if (!dropped.effective()) GTEST_SKIP() << "cannot drop root's powers";
    EXPECT_THAT(error(), AllOf(HasSubstr("a/shut: the folder cannot be read: Permission denied"), HasSubstr("chmod")));
  }
  fs::permissions(folder_ / "a/shut", fs::perms::owner_all);
}

TEST_F(Folder, EmptyAndTooLargeFilesAreFaults) {
  write("a/1.jpg", Bytes{});
  write("a/2.jpg", Bytes(101));
  const auto source = open(100);
  EXPECT_EQ(read(*source, 0).error().kind, FaultKind::truncated);
  EXPECT_EQ(read(*source, 1).error().kind, FaultKind::too_large);
  EXPECT_EQ(scratch_.capacity_bytes(), 0u);
}

TEST_F(Folder, APipeOrAFileThatBecameAFolderDoesNotHang) {
  write_pictures({"a/1.jpg", "a/3.jpg"});
  ASSERT_EQ(::mkfifo((folder_ / "a/2.jpg").c_str(), 0644), 0);
  const auto source = open();
  fs::remove(folder_ / "a/3.jpg");
  fs::create_directory(folder_ / "a/3.jpg");
  EXPECT_EQ(read(*source, 1).error().detail, "is not a regular file");
  EXPECT_EQ(read(*source, 2).error().detail, "is not a regular file");
}

TEST_F(Folder, AFileThatVanishedIsAMissingSample) {
  write_pictures({"a/1.jpg"});
  const auto source = open();
  fs::remove(folder_ / "a/1.jpg");
  EXPECT_EQ(read(*source, 0).error().kind, FaultKind::missing);
}

TEST_F(Folder, AFileThatChangesSizeWhileReadIsWholeOrAFault) {
  write("a/1.jpg", Bytes(1));
  const auto source = open();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t size = 0; !done; size = (size + 70'001) % 400'000) fs::resize_file(folder_ / "a/1.jpg", size);
  });
  for (int i = 0; i < 2'000; ++i) {
    const auto sample = read(*source, 0);
    if (sample) EXPECT_LT(sample->bytes.size(), 400'000u);
    else EXPECT_THAT(sample.error().kind, testing::AnyOf(FaultKind::truncated, FaultKind::corrupt));
  }
  done = true;
  writer.join();
}

TEST_F(Folder, ManyThreadsReadAtOnce) {
  for (int i = 0; i < 20; ++i) write("a/" + std::to_string(i) + ".jpg", "content of a/" + std::to_string(i) + ".jpg");
  const auto source = open();
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> readers;
    for (int t = 0; t < 4; ++t) {
      readers.emplace_back([&] {
        Buffer scratch;
        for (std::uint64_t i = 0; i < 400; ++i) {
          const auto sample = source->read(i % 20, scratch);
          const std::string text = sample ? std::string(sample->bytes.begin(), sample->bytes.end()) : "";
          wrong += !source->origin(i % 20).ends_with(text.substr(std::min<std::size_t>(text.size(), 11)));
          wrong += text.empty();
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST_F(Folder, FingerprintDependsOnNamesAndSizes) {
  write_pictures({"a/1.jpg"});
  const std::string first = open()->info().fingerprint;
  write("a/1.jpg", std::string("another"));
  EXPECT_EQ(open()->info().fingerprint, first) << "same name, same size";
  write("a/1.jpg", std::string("longer than before"));
  const std::string longer = open()->info().fingerprint;
  fs::rename(folder_ / "a/1.jpg", folder_ / "a/2.jpg");
  EXPECT_NE(longer, first);
  EXPECT_NE(open()->info().fingerprint, longer);
}

TEST_F(Folder, AFolderWithoutClassesOrAClassWithoutPicturesIsTold) {
  write_pictures({"1.jpg"});
  EXPECT_THAT(error(), HasSubstr("no class folder is there"));
  write_pictures({"a/1.txt"});
  EXPECT_THAT(error(), HasSubstr("/a: the class folder holds no picture"));
}

TEST_F(Folder, AMissingFolderOrAFileInItsPlaceIsTold) {
  EXPECT_THAT(error_of([&] { open_folder({.folder = folder_ / "gone"}); }), HasSubstr("gone: the folder cannot be read: No such file"));
  write_pictures({"file"});
  EXPECT_THAT(error_of([&] { open_folder({.folder = folder_ / "file"}); }), HasSubstr("file: the folder cannot be read: Not a directory"));
}

TEST_F(Folder, TooDeepNestingEndsWithAnError) {
  fs::path deep = "a";
  for (int i = 0; i < 70; ++i) deep /= "d";
  write(deep / "1.jpg", std::string("x"));
  EXPECT_THAT(error(), HasSubstr("nested deeper than 64"));
}

TEST_F(Folder, GenuinePhotographsAreAllThere) {
  MILLRACE_NEEDS_DATA("imagenet-sample/val");
  const auto source = open_folder({.folder = data_root() / "imagenet-sample/val"});
  EXPECT_EQ(source->size(), 300u);
  EXPECT_EQ(source->info().classes.size(), 300u);
  for (std::uint64_t i = 0; i < source->size(); ++i) EXPECT_EQ(read(*source, i)->bytes[0], 0xff) << source->origin(i);
}

}  // namespace
}  // namespace millrace

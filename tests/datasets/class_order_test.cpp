#include "datasets/class_order.h"

#include <gmock/gmock.h>

#include "datasets/folder.h"
#include "fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ClassOrder : public DataFolder {
 protected:
  void write_pictures(std::initializer_list<const char*> paths) const {
    for (const char* path : paths) write(path, std::string(path));
  }
  std::unique_ptr<Source> set(const char* name) { return open_folder({.folder = folder_ / name, .empty_classes = true}); }
  /// "class name" of each sample, as the reference's classes name its label.
  std::vector<std::string> classes_of(const Source& source) {
    std::vector<std::string> out;
    Buffer scratch;
    for (std::uint64_t i = 0; i < source.size(); ++i) out.push_back(source.info().classes.at(static_cast<std::size_t>(source.read(i, scratch)->label)));
    return out;
  }
};

TEST_F(ClassOrder, LabelsGoByNameWhereTheOtherSetLacksAClass) {
  write_pictures({"train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "test/b/1.jpg", "test/c/1.jpg"});
  const auto train = set("train"), test = with_classes_of(set("test"), train->info());
  EXPECT_EQ(test->info().classes, train->info().classes);
  EXPECT_THAT(classes_of(*test), ElementsAre("b", "c"));
  EXPECT_THAT(test->info().class_sizes, ElementsAre(0u, 1u, 1u));
  EXPECT_THAT(empty_classes(test->info()), ElementsAre("a"));
  EXPECT_EQ(test->size(), 2u);
  EXPECT_THAT(test->origin(0), HasSubstr("test/b/1.jpg"));
}

TEST_F(ClassOrder, EqualClassesLeaveTheSourceAsItIs) {
  write_pictures({"train/a/1.jpg", "train/b/1.jpg"});
  auto other = set("train");
  const Source* same = other.get();
  const auto kept = with_classes_of(std::move(other), set("train")->info());
  EXPECT_EQ(kept.get(), same);
  EXPECT_THAT(empty_classes(kept->info()), IsEmpty());
}

TEST_F(ClassOrder, AClassThatTheReferenceLacksIsNamedWithBothFolders) {
  write_pictures({"train/cat/1.jpg", "train/dog/1.jpg", "test/bird/1.jpg", "test/cat/1.jpg", "test/eel/1.jpg"});
  const auto train = set("train");
  EXPECT_THAT(error_of([&] { with_classes_of(set("test"), train->info()); }),
              AllOf(HasSubstr("test: the class bird and 1 more of its 3 classes are not among the 2 classes of "), HasSubstr("/train"), HasSubstr("by the classes' names")));
}

TEST_F(ClassOrder, OfTwoSameNamesNoneCanBeMeant) {
  write_pictures({"test/a/1.jpg"});
  SourceInfo reference;
  reference.name = "cifar10";
  reference.classes = {"a", "b", "a"};
  EXPECT_THAT(error_of([&] { with_classes_of(set("test"), reference); }), HasSubstr("the set cifar10: two classes are named a"));
}

TEST_F(ClassOrder, ABadSampleStaysAFault) {
  write_pictures({"train/a/1.jpg", "train/b/1.jpg", "test/b/1.jpg"});
  const auto train = set("train"), test = with_classes_of(set("test"), train->info());
  std::filesystem::remove(folder_ / "test/b/1.jpg");
  Buffer scratch;
  EXPECT_EQ(test->read(0, scratch).error().kind, FaultKind::missing);
  EXPECT_EQ(test->read(7, scratch).error().kind, FaultKind::missing);
}

}  // namespace
}  // namespace millrace

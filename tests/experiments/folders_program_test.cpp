// The program on folders: which classes labels mean, what was opened, and figures that rest on nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "experiments/assemble.h"
#include "tests/experiments/program_fixture.h"
#include "tests/jpeg/jpeg_files.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class Folders : public Program {
 protected:
  Folders() { data_root_ = "data"; }

  void write(const std::string& name, const test::File& file) {
    const fs::path path = folder_ / "data" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  }
  test::File jpeg(unsigned seed) { return test::encode(test::test_picture({40 + int(seed % 7), 36}, 3, seed), {}); }
  test::File broken() { return {'h', 'e', 'l', 'l', 'o'}; }
  /// Its header is whole, most of its pixels are missing.
  test::File cut(unsigned seed) {
    test::File file = jpeg(seed);
    file.resize(file.size() * 7 / 10);
    return file;
  }
  /// `each` pictures a class.
  void write_set(const std::string& name, std::initializer_list<const char*> classes, int each = 4) {
    unsigned seed = 0;
    for (const char* c : classes)
      for (int i = 0; i < each; ++i) write(name + "/" + c + "/" + std::to_string(i) + ".jpg", jpeg(seed++));
  }
  std::string spec_of(const std::string& loader = "", const std::string& train = "", const std::string& data = "test_path = \"test\"\n") {
    return spec("[data]\nname = \"folder\"\npath = \"train\"\n" + data + "batch = 4\n[loader]\n" + loader +
                "[[augment]]\nop = \"resize\"\nsize = 16\n[train]\nmodel = \"toy\"\nthreads = 1\n" + train);
  }
  std::string place(const char* name) const { return (folder_ / "data" / name).string(); }
  Json epoch(std::size_t number = 1) {
    std::size_t seen = 0;
    for (const Json& record : read_records(out()))
      if (record["type"] == "epoch" && ++seen == number) return record;
    return {};
  }
};

TEST_F(Folders, LabelsOfTheTestSetGoByTheNamesOfTheClasses) {
  write_set("train", {"a", "b", "c"});
  write_set("test", {"a", "c"});
  ASSERT_EQ(run({"train", spec_of(), "--out", out()}), 0) << text("stderr");
  EXPECT_EQ(epoch()["class_count"], (Json{4, 0, 4}));
  EXPECT_TRUE(epoch()["per_class_accuracy"][1].is_null());
  EXPECT_THAT(text("stderr"), HasSubstr(place("test") + ": no picture of 1 class of the 3 that are trained (b)"));
}

TEST_F(Folders, AnEmptyClassFolderOfATestSetIsAClassWithoutPictures) {
  write_set("train", {"a", "b"});
  write_set("test", {"a"});
  fs::create_directories(folder_ / "data/test/b");
  ASSERT_EQ(run({"train", spec_of(), "--out", out()}), 0) << text("stderr");
  EXPECT_EQ(epoch()["class_count"], (Json{4, 0}));
}

TEST_F(Folders, AClassThatTrainingLacksEndsTheRunBeforeItBegins) {
  write_set("train", {"a", "c"});
  write_set("test", {"a", "b"});
  EXPECT_EQ(run({"train", spec_of(), "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), AllOf(HasSubstr(place("test") + ": the class b is not among the 2 classes of " + place("train")), HasSubstr("hint: ")));
  EXPECT_FALSE(fs::exists(fs::path(out()) / "results.jsonl"));
}

TEST_F(Folders, ACheckpointIsOfItsClassesByName) {
  write_set("train", {"a", "b"});
  const std::string file = spec_of("", "checkpoint_every = 1\n", "");
  ASSERT_EQ(run({"train", file, "--out", out()}), 0) << text("stderr");
  fs::rename(place("train") + "/b", place("train") + "/x");
  EXPECT_EQ(run({"train", file, "--out", out(), "--resume", "auto", "--set", "train.epochs=2"}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("of a run on other classes: class 1 is 'b' there, 'x' here (" + place("train") + ")"));
  fs::rename(place("train") + "/x", place("train") + "/b");
  EXPECT_EQ(run({"train", file, "--out", out(), "--resume", "auto", "--set", "train.epochs=2"}), 0) << text("stderr");
}

TEST_F(Folders, WeightsOfACheckpointAreOfItsClassesByName) {
  write_set("train", {"a", "b"});
  ASSERT_EQ(run({"train", spec_of("", "checkpoint_every = 1\n", ""), "--out", out()}), 0) << text("stderr");
  std::string weights;
  for (const auto& entry : fs::directory_iterator(out() + "/checkpoints")) weights = (entry.path() / "weights.safetensors").string();
  const auto from = [&] { return run({"train", spec_of("", "weights = \"" + weights + "\"\n", ""), "--out", out() + "2"}); };
  EXPECT_EQ(from(), 0) << text("stderr");
  fs::rename(place("train") + "/a", place("train") + "/z");  // Two classes again, in another order.
  EXPECT_EQ(from(), 2);
  EXPECT_THAT(text("stderr"), AllOf(HasSubstr("was trained on other classes: class 0 is 'a' there, 'b' here"), HasSubstr("fresh_head")));
  EXPECT_EQ(run({"train", spec_of("", "weights = \"" + weights + "\"\nfresh_head = true\n", ""), "--out", out() + "2"}), 0) << text("stderr");
}

TEST_F(Folders, WhatWasOpenedIsToldWithItsClasses) {
  write_set("train", {"cat", "dog"});
  write_set("test", {"cat", "dog"}, 1);
  write("train/.ipynb_checkpoints/1.jpg", jpeg(1));
  ASSERT_EQ(run({"train", spec_of("", "checkpoint_every = 1\n"), "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), AllOf(HasSubstr("folder " + place("train") + ": 8 images, 2 classes (cat, dog)"),
                                    HasSubstr("evaluated on folder " + place("test") + ": 2 images, 2 classes (cat, dog)"),
                                    HasSubstr("the first is .ipynb_checkpoints")));
  const Json data = read_records(out()).front()["data"];
  EXPECT_EQ(data["train"]["classes"], (Json{"cat", "dog"}));
  EXPECT_EQ(data["train"]["path"], place("train"));
  EXPECT_EQ(data["train"]["class_sizes"], (Json{4, 4}));
  EXPECT_EQ(data["test"]["images"], 2);
  for (const auto& entry : fs::directory_iterator(out() + "/checkpoints"))
    EXPECT_EQ(Json::parse(std::ifstream(entry.path() / "state.json"))["classes"], (Json{"cat", "dog"}));
}

TEST_F(Folders, ClassesThatAreSplitsAreRemarkedOnOnce) {
  write_set("train", {"train", "val", "x"});
  ASSERT_EQ(run({"train", spec_of("", "", ""), "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("warning: " + place("train") + ": 2 classes called train, val: is one of these the folder that was meant"));
}

TEST_F(Folders, OneClassAloneIsRemarkedOn) {
  write_set("train", {"pictures"});
  ASSERT_EQ(run({"train", spec_of("", "", ""), "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("one class only, pictures: there is nothing to tell apart"));
}

TEST_F(Folders, APathThatSaysWhereItBeginsStandsAsItIs) {
  write_set("train", {"a"});
  setenv("MILLRACE_DATA", (folder_ / "data").c_str(), 1);
  const auto resolved = [](const std::string& path) { return path_of({.name = "folder", .path = path}); };
  EXPECT_EQ(resolved("train"), place("train"));
  for (const char* path : {"./train", "../train", ".", "..", "/train", "./", "elsewhere"}) EXPECT_EQ(resolved(path), path);
  unsetenv("MILLRACE_DATA");
  EXPECT_EQ(run({"train", spec("[data]\nname = \"folder\"\npath = \"~/photos\"\n")}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("~ is a shell's word for the home folder: write the whole path"));
}

TEST_F(Folders, EvaluationLeavesBadSamplesOutAndSubstitutesNone) {
  write_set("train", {"a", "b", "c"});
  write_set("test", {"a", "b", "c"}, 8);
  for (int i = 0; i < 5; ++i) write("test/a/" + std::to_string(i) + ".jpg", cut(unsigned(i)));
  for (const char* policy : {"substitute", "skip"}) {
    fs::remove_all(out());
    ASSERT_EQ(run({"train", spec_of("on_bad_sample = \"" + std::string(policy) + "\"\n"), "--out", out()}), 0) << text("stderr");
    EXPECT_EQ(epoch()["scored"], 19);
    EXPECT_EQ(epoch()["class_count"], (Json{3, 8, 8}));
    EXPECT_EQ(epoch()["evaluation_bad_samples"], 5);
    EXPECT_THAT(text("stderr"), HasSubstr("evaluation: 5 bad samples in 5 files (5 truncated), skipped"));
    ASSERT_EQ(run({"report", out()}), 0) << text("stderr");
    EXPECT_THAT(text("stdout") + text("out/report.md"), Not(HasSubstr("scored once")));
  }
}

TEST_F(Folders, ABadHeaderOfTheTestSetIsFoundBeforeTheFirstStep) {
  write_set("train", {"a", "b"});
  write_set("test", {"a", "b"});
  write("test/b/2.jpg", broken());
  EXPECT_EQ(run({"train", spec_of(), "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), AllOf(HasSubstr("1 of 8 pictures of the test set cannot be scored; the first: " + place("test") + "/b/2.jpg: "),
                                    HasSubstr("hint: mend or remove what is named")));
  EXPECT_TRUE(epoch().is_null()) << "no epoch was trained";
  EXPECT_THAT(text("out/faults.jsonl"), HasSubstr("2.jpg"));
  fs::remove_all(out());
  ASSERT_EQ(run({"train", spec_of("on_bad_sample = \"skip\"\n"), "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("warning: 1 of 8 pictures of the test set cannot be scored and will be left out"));
  EXPECT_EQ(epoch()["scored"], 7);
}

TEST_F(Folders, ARunInWhichNothingWasReadIsAnErrorWithTheFirstCause) {
  for (int i = 0; i < 8; ++i) write("train/" + std::string(i % 2 ? "a/" : "b/") + std::to_string(i) + ".jpg", broken());
  const std::string file = spec_of("on_bad_sample = \"skip\"\n", "checkpoint_every = 1\n", "");
  EXPECT_EQ(run({"train", file, "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), AllOf(HasSubstr("epoch 1: not one image could be read; the first: " + place("train")), HasSubstr("hint: there is nothing to train on")));
  EXPECT_TRUE(epoch().is_null());
  EXPECT_EQ(read_records(out()).back()["outcome"], "failed");
  EXPECT_EQ(run({"bench", "loader", file, "--epochs", "1", "--json"}), 3);
  EXPECT_EQ(run({"bench", "loader", file, "--seconds", "0.1"}), 3);
  EXPECT_EQ(run({"bench", "step", file, "--seconds", "0.1"}), 3);
  EXPECT_EQ(run({"profile", file, "--seconds", "1"}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("not one image could be read"));
}

TEST_F(Folders, AnEvaluationThatScoredNothingIsAnErrorAndTheEpochIsOnRecord) {
  write_set("train", {"a", "b"});
  for (int i = 0; i < 6; ++i) write("test/" + std::string(i % 2 ? "a/" : "b/") + std::to_string(i) + ".jpg", cut(unsigned(i)));
  EXPECT_EQ(run({"train", spec_of("on_bad_sample = \"skip\"\n"), "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("evaluation: not one image could be read; the first: " + place("test")));
  EXPECT_EQ(epoch()["images"], 8);
  EXPECT_EQ(epoch()["scored"], 0);
  EXPECT_TRUE(epoch()["accuracy"].is_null());
  EXPECT_TRUE(epoch()["evaluation_loss"].is_null());
  for (int i = 0; i < 6; ++i) write("test/" + std::string(i % 2 ? "a/" : "b/") + std::to_string(i) + ".jpg", broken());
  fs::remove_all(out());
  EXPECT_EQ(run({"train", spec_of("on_bad_sample = \"skip\"\n"), "--out", out()}), 3);
  EXPECT_TRUE(epoch().is_null()) << "headers tell before the first step";
}

TEST_F(Folders, TheStageTableOfWholeEpochsCountsWhatWasDelivered) {
  write_set("train", {"a", "b"}, 9);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(run({"bench", "loader", spec_of("workers = 2\n"), "--epochs", "1", "--json"}), 0) << text("stderr");
    const Json result = last_line();
    ASSERT_EQ(result["images"], 18);
    for (const char* stage : {"read", "decode", "augment"}) EXPECT_EQ(result["loader"]["stages"][stage]["images"], 18) << stage;
  }
}

TEST_F(Folders, NamesOfFilesAreHarmlessOnTheTerminalAndWholeInTheLedger) {
  write_set("train", {"a", "b"});
  const std::string odd = "train/a/\x1b]0;title\x07\xE9.jpg";
  write(odd, broken());
  ASSERT_EQ(run({"train", spec_of("on_bad_sample = \"skip\"\n", "", ""), "--out", out()}), 0) << text("stderr");
  EXPECT_EQ(run({"train", spec_of("", "", ""), "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), AllOf(HasSubstr("\\x1b]0;title\\x07\\xe9.jpg"), Not(HasSubstr("\x1b")), Not(HasSubstr("\xE9"))));
  const Json line = Json::parse(text("out/faults.jsonl").substr(0, text("out/faults.jsonl").find('\n')));
  std::string bytes;
  for (std::size_t i = 0; i < line["path_hex"].get<std::string>().size(); i += 2) bytes += char(std::stoi(line["path_hex"].get<std::string>().substr(i, 2), nullptr, 16));
  EXPECT_EQ(bytes, (folder_ / "data" / odd).string());
}

TEST_F(Folders, DataCheckReadsAFolderWhole) {
  write_set("train", {"a", "b"});
  EXPECT_EQ(run({"data", "check", place("train")}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), AllOf(HasSubstr("folder " + place("train") + ": 8 images, 2 classes (a, b)"), HasSubstr("8 pictures decoded whole"), HasSubstr("none is broken")));
  write("train/b/cut.jpg", cut(3));  // Crops may miss it.
  write("train/c/bad.jpg", broken());
  EXPECT_EQ(run({"data", "check", place("train")}), 3);
  EXPECT_THAT(text("stdout"), AllOf(HasSubstr("2 are broken ("), HasSubstr("/b/cut.jpg: truncated"), HasSubstr("the largest class has 5.00 times the images of the smallest")));
}

TEST_F(Folders, DataCheckOfASpecReadsBothItsSetsAndComparesTheirClasses) {
  write_set("train", {"a", "b"});
  write_set("test", {"a", "b"}, 2);
  EXPECT_EQ(run({"data", "check", spec_of()}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), AllOf(HasSubstr(place("train") + ": 8 images"), HasSubstr(place("test") + ": 4 images")));
  write_set("test", {"z"}, 1);
  EXPECT_EQ(run({"data", "check", spec_of()}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("the class z is not among the 2 classes of " + place("train")));
  EXPECT_EQ(run({"data", "check", "nowhere"}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("'nowhere' is neither a known set nor a folder nor a spec"));
}

/// Files of CIFAR-100 with fewer records than were published.
TEST_F(Folders, DataListAndCheckWithoutNamesSayWhatIsThere) {
  for (const auto& [name, records] : {std::pair{"train.bin", 25}, {"test.bin", 10}}) write("cifar-100-binary/" + std::string(name), test::File(std::size_t(records) * 3074));
  EXPECT_EQ(run({"data", "list"}), 0);
  EXPECT_THAT(text("stdout"), AllOf(HasSubstr("found, but not as published: 25 train, 10 test; "), HasSubstr("holds 25 records, the published file 50000"), HasSubstr("missing: put the four IDX files there")));
  EXPECT_EQ(run({"data", "check"}), 3) << "the set that is there differs";
  EXPECT_THAT(text("stdout"), AllOf(HasSubstr("cifar100"), HasSubstr("differs"), HasSubstr("digits"), Not(HasSubstr("mnist"))));
  fs::remove_all(place("cifar-100-binary"));
  EXPECT_EQ(run({"data", "check"}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("generated"));
}

}  // namespace
}  // namespace millrace

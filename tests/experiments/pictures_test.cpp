// The program on folders of pictures: formats, bad files, contact sheets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "experiments/assemble.h"
#include "pipeline/jpeg/kernels.h"
#include "tests/experiments/program_fixture.h"
#include "tests/jpeg/jpeg_files.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

class PictureFolder : public Program {
 protected:
  PictureFolder() { data_root_ = "data"; }

  void write(const std::string& name, const test::File& file) {
    const fs::path path = folder_ / "data" / "set" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  }
  test::File jpeg(unsigned seed, bool progressive = false) {
    return test::encode(test::test_picture({60 + int(seed % 7), 50}, 3, seed), {.progressive = progressive});
  }
  /// 20 pictures of two classes, 2 of them progressive.
  void write_good() {
    for (unsigned i = 0; i < 20; ++i) write((i % 2 ? "b/" : "a/") + std::to_string(10 + i) + ".jpg", jpeg(i, i >= 18));
  }
  /// One cut short, one that is empty, one that is text.
  void write_bad() {
    test::File cut = jpeg(99);
    cut.resize(cut.size() / 2);
    write("a/cut.jpg", cut);
    write("b/empty.jpg", {});
    write("b/text.jpg", {'h', 'e', 'l', 'l', 'o'});
  }
  std::string spec_of(const std::string& loader) {
    return spec("[data]\nname = \"folder\"\npath = \"set\"\nbatch = 5\n[loader]\nseed = 3\n" + loader +
                "[[augment]]\nrecipe = \"timm-train\"\nsize = 32\n[train]\nmodel = \"sleep\"\nstep_microseconds = 0\nepochs = 2\n");
  }
  Json bench(const std::string& file, int workers) {
    EXPECT_EQ(
        run({"bench", "loader", file, "--epochs", "2", "--json", "--set", "loader.workers=" + std::to_string(workers), "--out", out()}), 0)
        << text("stderr");
    return last_line();
  }
  std::vector<Json> ledger() {
    std::ifstream in(fs::path(out()) / "faults.jsonl");
    std::vector<Json> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
    return lines;
  }
};

class Policy : public PictureFolder, public testing::WithParamInterface<const char*> {};

TEST_P(Policy, GivesTheSameBatchesForAnyWorkersAndListsEachBadFileOnce) {
  write_good();
  write_bad();
  const std::string file = spec_of("on_bad_sample = \"" + std::string(GetParam()) + "\"\n");
  const Json none = bench(file, 0);
  const auto listed = ledger();
  ASSERT_THAT(listed, SizeIs(3));
  for (const int workers : {1, 2}) EXPECT_EQ(bench(file, workers)["digest"], none["digest"]) << workers;
  EXPECT_GE(none["bad_samples"], 6);  // Three files, two epochs; a substitute may be bad as well.
  EXPECT_EQ(none["images"], std::string(GetParam()) == "skip" ? 40 : 46);
}
INSTANTIATE_TEST_SUITE_P(Both, Policy, testing::Values("skip", "substitute"));

TEST_F(PictureFolder, TheLedgerSaysPathOffsetKindAndMessage) {
  write_good();
  write_bad();
  bench(spec_of("on_bad_sample = \"skip\"\n"), 1);
  EXPECT_THAT(text("stderr"), HasSubstr("6 bad samples in 3 files ("));
  EXPECT_THAT(text("stderr"), HasSubstr("skipped; listed in " + out()));
  EXPECT_THAT(text("stderr"), HasSubstr("4 of the pictures were progressive JPEG"));
  for (const Json& line : ledger()) {
    for (const char* key : {"run", "path", "offset", "kind", "message"}) EXPECT_TRUE(line.contains(key)) << key;
    if (line["path"].get<std::string>().ends_with("cut.jpg")) {
      EXPECT_EQ(line["kind"], "truncated");
      EXPECT_GT(line["offset"], 0);
    }
  }
}

TEST_F(PictureFolder, FailEndsWithStatus3AndNamesTheFile) {
  write_good();
  test::File cut = jpeg(99);
  cut.resize(cut.size() / 2);
  write("a/cut.jpg", cut);
  EXPECT_EQ(run({"train", spec_of(""), "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("cut.jpg: truncated at byte"));
  EXPECT_THAT(text("stderr"), HasSubstr("hint: set loader.on_bad_sample"));
  EXPECT_THAT(ledger(), SizeIs(1));
}

TEST_F(PictureFolder, FilesThatCannotBeReadAreToldBeforeTheFirstStep) {
  write_good();
  write("a/1.tif", {'I', 'I', '*', 0, 8, 0, 0, 0});
  write("a/2.heic", {'x'});
  EXPECT_EQ(run({"train", spec_of(""), "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("set: 1 file cannot be read (a TIFF file: 1; the first is a/1.tif)"));
  EXPECT_THAT(text("stderr"), HasSubstr("hint: convert or remove them, or set loader.on_bad_sample"));
  EXPECT_THAT(text("stderr"), HasSubstr("pictures of formats that are not read (.heic: 1)"));
  EXPECT_EQ(text("stderr").find("epoch 1"), std::string::npos);
  bench(spec_of("on_bad_sample = \"skip\"\n"), 1);
  const auto listed = ledger();
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0]["kind"], "unsupported");
  EXPECT_EQ(listed[0]["message"], "a TIFF file");
}

TEST_F(PictureFolder, LimitsHaveKeysAndAreKept) {
  write_good();
  const std::string file = spec_of("on_bad_sample = \"skip\"\n");
  const auto bad_with = [&](const std::string& setting) {
    EXPECT_EQ(run({"bench", "loader", file, "--epochs", "1", "--json", "--set", setting, "--out", out()}), 0) << text("stderr");
    return last_line()["bad_samples"].get<int>();
  };
  EXPECT_EQ(bad_with("data.max_megapixels=0.0031"), 11) << "those wider than 62";
  EXPECT_THAT(text("out/faults.jsonl"), HasSubstr("data.max_megapixels"));
  EXPECT_EQ(bad_with("data.max_scans=3"), 2) << "the progressive ones";
  EXPECT_THAT(text("out/faults.jsonl"), HasSubstr("data.max_scans"));
  EXPECT_EQ(bad_with("data.max_file_size=3000000"), 0);
  EXPECT_EQ(run({"bench", "loader", file, "--epochs", "1", "--set", "loader.on_bad_sample=fail", "--set", "data.max_file_size=100"}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("the limit is 100 (data.max_file_size)"));
}

TEST_F(PictureFolder, ABadTestPictureIsBookedAndTheRestAreScored) {
  write_good();
  write("../test/a/1.jpg", jpeg(50));
  write("../test/b/1.jpg", jpeg(51));
  write("../test/b/bad.jpg", {'h', 'e', 'l', 'l', 'o'});
  const std::string file = spec(
      "[data]\nname = \"folder\"\npath = \"set\"\ntest_path = \"" + (folder_ / "data" / "test").string() +
      "\"\nbatch = 5\n[loader]\non_bad_sample = \"skip\"\n[[augment]]\nop = \"resize\"\nsize = 32\n[train]\nmodel = \"toy\"\nepochs = 2\n");
  ASSERT_EQ(run({"train", file, "--out", out()}), 0) << text("stderr");
  const auto records = read_records(out());
  for (const int epoch : {1, 2}) {
    EXPECT_TRUE(records[epoch]["accuracy"].is_number());
    EXPECT_EQ(records[epoch]["scored"], 2);
    EXPECT_EQ(records[epoch]["evaluation_bad_samples"], 1);
  }
  const auto listed = ledger();
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_THAT(listed[0]["path"], HasSubstr("bad.jpg"));
  EXPECT_THAT(text("stderr"), HasSubstr("warning: evaluation: 1 bad sample in 1 file (1 corrupt), skipped"));
}

TEST_F(PictureFolder, AMissingTestHalfIsFoundBeforeARecordIsWritten) {
  write_good();
  const std::string file = spec("[data]\nname = \"folder\"\npath = \"set\"\ntest_path = \"" + (folder_ / "nowhere").string() +
                                "\"\nbatch = 5\n[[augment]]\nop = \"resize\"\nsize = 32\n[train]\nmodel = \"toy\"\n");
  EXPECT_EQ(run({"train", file, "--out", out()}), 3);
  EXPECT_FALSE(fs::exists(fs::path(out()) / "results.jsonl"));
  EXPECT_EQ(run({"study", file, "--out", out()}), 3);
  EXPECT_FALSE(fs::exists(fs::path(out()) / "results.jsonl"));
}

TEST_F(PictureFolder, MoreBadSamplesThanMaxBadEndTheRun) {
  write_good();
  write_bad();
  EXPECT_EQ(run({"train", spec_of("on_bad_sample = \"skip\"\nmax_bad = 4\n"), "--out", out()}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("more than the 4 allowed"));
  EXPECT_EQ(run({"train", spec_of("on_bad_sample = \"skip\"\nmax_bad = 6\n"), "--out", out()}), 0) << text("stderr");
}

TEST_F(PictureFolder, FilesAreDecodedByWhatTheyHoldNotByTheirNames) {
  write_good();
  ASSERT_EQ(run({"view", spec_of(""), "--out", (folder_ / "data/set/a/sheet.jpg").string(), "--samples", "1", "--versions", "1"}), 0);
  EXPECT_EQ(bench(spec_of(""), 1)["images"], 42);  // Named .jpg, a PNG within.
}

TEST_F(PictureFolder, ViewDrawsASheetThatShowsBadFilesToo) {
  write_good();
  write_bad();
  const std::string sheet = (folder_ / "sheet.png").string();
  ASSERT_EQ(
      run({"view", spec_of(""), "--out", sheet, "--samples", "23", "--versions", "3", "--bad", (folder_ / "data/set/a/cut.jpg").string()}),
      0)
      << text("stderr");
  EXPECT_GT(fs::file_size(sheet), 20000u);
  EXPECT_EQ(run({"view", spec_of(""), "--out", sheet, "--bad", "nowhere.jpg"}), 2);
}

TEST_F(PictureFolder, ViewShowsWhatTrainingSees) {
  write_good();
  const std::string one = (folder_ / "one.png").string(), other = (folder_ / "other.png").string();
  const auto view = [&](const std::string& file, const std::string& to) {
    return run({"view", file, "--out", to, "--samples", "2", "--set", "data.dtype=u8"});
  };
  ASSERT_EQ(view(spec_of(""), one), 0) << text("stderr");
  ASSERT_EQ(run({"view", spec_of(""), "--out", other, "--samples", "2"}), 0);
  const auto bytes = [](const std::string& path) { return test::read_file(path); };
  EXPECT_EQ(bytes(one), bytes(other));  // f32 rows, taken back through the normalisation, are the u8 rows.
}

TEST_F(PictureFolder, AStudyOfStagesPlotsThem) {
  write_good();
  const std::string file = spec_of("");
  std::ofstream(file, std::ios::app) << "[study]\naxes = { \"loader.workers\" = [0, 1] }\nbars = \"stages\"\n";
  ASSERT_EQ(run({"study", file, "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("out/plot.gp"), HasSubstr("title \"decode\""));
  EXPECT_THAT(text("out/plot.gp"), HasSubstr("of a worker an image"));
  EXPECT_THAT(text("out/report.md"), HasSubstr("## A worker's time an image"));
  EXPECT_THAT(text("out/report.md"), HasSubstr("**D11, a worker's time.** an image takes a worker"));
}

TEST(RawPictures, AreCroppedToWhatWasDrawnForThem) {
  const Spec spec = parse_spec(parse_document("[data]\nsubset = 64\ndtype = \"u8\"\n[loader]\nsampler = \"sequential\"\n"
                                              "[[augment]]\nop = \"random_resized_crop\"\nsize = 20\n",
                                              "a.toml"),
                               64);
  const auto source = open_source(spec.data, Split::train, {});
  const auto recipe = make_recipe(spec, source->info(), false);
  Loader loader(*source, *recipe, loader_options(spec));
  const auto batch = loader.stream().next();
  ASSERT_EQ(batch->rows(), 64);
  Buffer unused;
  Scratch scratch;
  std::vector<std::uint8_t> row(recipe->format().bytes());
  for (std::size_t i = 0; i < 64; ++i) {
    const ImageView whole = source->read(i, unused)->pixels;
    const ImageInfo info{whole.size(), 1};
    const auto draw = recipe->draw(info, {spec.loader.seed, 0, i});
    ASSERT_TRUE(recipe->apply(*draw, info, whole.crop(inside(draw->framing.roi, whole.size())), row.data(), scratch));
    EXPECT_EQ(std::memcmp(row.data(), batch->image_bytes().data() + i * row.size(), row.size()), 0) << i;
  }
}

TEST_F(PictureFolder, EitherJpegDecoderGivesTheSameEpochsAndSaysWhichWayPicturesTook) {
  write_good();
  for (unsigned i = 0; i < 6; ++i) {
    const auto luma = i < 2 ? std::pair{1, 1} : std::pair{2, int(i % 2) + 1};
    write("a/sampling" + std::to_string(i) + ".jpg",
          test::encode(test::test_picture({91, 77}, 3, i), {.sampling = {luma, {1, 1}, {1, 1}}, .restart_blocks = int(i % 3)}));
  }
  for (const std::string cache : {"none", "decoded"}) {
    const std::string file = spec_of("cache = \"" + cache + "\"\n");
    const auto epochs_by = [&](const std::string& decoder) {
      EXPECT_EQ(run({"bench", "loader", file, "--epochs", "2", "--json", "--set", "loader.jpeg=" + decoder, "--out", out()}), 0) << text("stderr");
      return last_line();
    };
    const Json fast = epochs_by("fast"), library = epochs_by("libjpeg-turbo");
    EXPECT_EQ(fast["digest"], library["digest"]) << cache;
    // A decoded cache has done its work before the window that is counted.
    if (cache == "none") EXPECT_GT(fast["loader"]["library_jpegs"], 0);  // The progressive ones.
    if (cache == "none" && jpeg::kernels()) EXPECT_GT(fast["loader"]["fast_jpegs"], fast["loader"]["library_jpegs"]);
    EXPECT_EQ(library["loader"]["fast_jpegs"], 0);
  }
}

TEST_F(PictureFolder, OddFilesOfTheWorldAreJudgedAlikeByAnyWorkers) {
  const fs::path odd = test::data_folder() / "odd-jpegs" / "jpeg-decoder";
  if (!fs::exists(odd)) GTEST_SKIP() << "no odd-jpegs in " << test::data_folder() << ": set MILLRACE_DATA";
  write_good();
  int taken = 0;
  for (const auto& entry : fs::recursive_directory_iterator(odd / "crashtest"))
    if (entry.path().extension() == ".jpg" && entry.file_size() < 20000)
      write("odd/" + std::to_string(taken++) + ".jpg", test::read_file(entry.path()));
  ASSERT_GT(taken, 20);
  const std::string file = spec_of("on_bad_sample = \"skip\"\n");
  const Json none = bench(file, 0);
  EXPECT_GT(none["bad_samples"], 20);
  EXPECT_EQ(bench(file, 2)["digest"], none["digest"]);
}

}  // namespace
}  // namespace millrace

// The four published tables: every trap is found, with the numbers that a careful reader works out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/document.h"
#include "experiments/figure_plots.h"
#include "experiments/findings.h"
#include "experiments/published.h"
#include "experiments/published_page.h"
#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const std::string kFolder = MILLRACE_SOURCE_DIR "/experiments/published/";

std::vector<std::string> says(const std::string& id) {
  std::vector<std::string> out;
  for (const Finding& f : detect(published_table(read_toml(kFolder + id + ".toml")))) out.push_back(f.detector + " " + f.text);
  return out;
}

TEST(Published, EsdDdp) {
  const auto found = says("esd-ddp");
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D2 "), HasSubstr("17 of 18 rows"),
                                    HasSubstr("MobileNet 4x256: 30 x 2.654641 = 79.64 s, printed 95.11 s (-16.3 %)"))))
      << "T1";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D3 Copied: t_batch of MobileNet 4x256 equals that of MobileNet 4x128"),
                                    HasSubstr("95.10962 / 30 = 3.170321 s"), HasSubstr("1.99 times, not 1.67"),
                                    HasSubstr("2.37 / 2.17 / 1.99 times, so it survives"))))
      << "T1";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D6 "), HasSubstr("toy, 1 rank 79 / 86 / 90 %"), HasSubstr("toy, 2 ranks 91 / 95 / 97 %"),
                                    HasSubstr("toy, 4 ranks 90 / 94 / 96 %"))))
      << "T2";
  EXPECT_THAT(found, Contains(HasSubstr("2.1-3.4 times in t_epoch, 6.0-7.6 times in the wall"))) << "T2";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("3.8-5.0 s in all 12 rows"), HasSubstr("start 4 workers a rank")))) << "T2";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D4 "), HasSubstr("sampler (sequential against shuffled)"), HasSubstr("workers (0 against 4"),
                                    HasSubstr("seed (none against 42)"), HasSubstr("sync (none"))))
      << "T3";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D5 \"4 processes are always worse"), HasSubstr("worse in 9 of 9 cells"),
                                    HasSubstr("better in 5, worse in 1 of 6 cells"),
                                    HasSubstr(".9226>.9189, .9480>.9431, .9531<.9539, .8894>.8765, .9230>.9159 and .9365>.9291"))))
      << "T4";
  EXPECT_THAT(found,
              Contains(AllOf(HasSubstr("D3 Equal in all"), HasSubstr("toy 2x128 and toy 4x64 (G 256)"),
                             HasSubstr("toy 2x256 and toy 4x128 (G 512)"), HasSubstr("not a copy"), HasSubstr("sampler sequential"))))
      << "T5";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("51 of 54 pairs"), HasSubstr("toy base 256 (.9242) against toy base 128 (.9222)"),
                                    HasSubstr("MobileNet base 128 (.9297) against MobileNet base 64 (.9238)"))))
      << "T6";
  EXPECT_THAT(found, Contains(HasSubstr("swings .9298, .9100, .9513 over epochs 3, 6, 7"))) << "T6";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D1 "), HasSubstr("4 ranks with 4 workers each are 20 processes")))) << "T7";
  EXPECT_THAT(found, Contains(HasSubstr("69-315 images/s"))) << "T8";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D8 In 6 rows"), HasSubstr("BatchNorm buffers of its own")))) << "T9";
}

TEST(Published, CifarDdp) {
  const auto found = says("cifar-ddp");
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D5 "), HasSubstr("G 256 and 1,960 optimiser steps"), HasSubstr("128 and 3,910"),
                                    HasSubstr("280 ms against 83, 3.4 times"))))
      << "T1";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D4 Workers grow"), HasSubstr("901 images/s, 8 workers, 113 each"),
                                    HasSubstr("16 workers, 96 each"), HasSubstr("910 images/s, 32 workers, 28 each"))))
      << "T2";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("40,000 (W 4"), HasSubstr("W 4 44 %"), HasSubstr("exact shards would save 33 %")))) << "T3";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("197-203 ms more"), HasSubstr("182-188 ms if validation is 60 s"), HasSubstr("67.4 MB"),
                                    HasSubstr("2.7-3.0 Gbit/s"),
                                    HasSubstr("1 Gbit/s is excluded: at least 359 ms a step, 539 by ring, where all of a step takes 280"),
                                    HasSubstr("would add 36-54 ms"))))
      << "T4";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("one setting run twice"), HasSubstr("(7.4 %)")))) << "T5";
  EXPECT_THAT(found, Contains(HasSubstr("45.6 % and 41.6 % saved are one result"))) << "T5";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("summed over ranks"), HasSubstr("4 GPUs on 2 nodes 4 times")))) << "T6";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("2 GPUs, launch and 2 GPUs, torchrun write to one folder"),
                                    HasSubstr("started from trained weights"))))
      << "T7";
  EXPECT_THAT(found, Contains(HasSubstr("color_jitter = 0.4 has no effect where auto_augment is set"))) << "T8";
}

TEST(Published, MnistWorkers) {
  const auto found = says("mnist-workers");
  EXPECT_THAT(found,
              Contains(AllOf(HasSubstr("140.6 / 103.1 / 31.9 s where the totals are 72.80 / 34.96 / 18.47 s: 1.93 / 2.95 / 1.73 times"),
                             HasSubstr("3.20 ms of loading a batch against 1.86 ms"))))
      << "T1";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("0.97 / 1.48 / 0.86 times"), HasSubstr("1.16 / 1.23 times the larger")))) << "T1";
  EXPECT_THAT(found, Contains(HasSubstr("fits a batch of 64"))) << "T1";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("DDP is 2.8 times"), HasSubstr("2.79 times as fast"), HasSubstr("0 against 32 in all"))))
      << "T2";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("DDP 1 against base at w = 4"), HasSubstr("+9.7 %"), HasSubstr("nothing else")))) << "T2";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("DDP 8 against base"), HasSubstr("+41.4 %")))) << "T2";
  EXPECT_THAT(found, Contains(HasSubstr("+3.8 %"))) << "T2";
  EXPECT_THAT(found, Contains(HasSubstr("2.21 times as long"))) << "T2";
  EXPECT_THAT(found,
              Contains(HasSubstr("DP 8, w = 0: the first epoch took 26.23 s, the others 14.96 s on average: 11.27 s (7 % of the total)")))
      << "T3";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("26.11 / 20.27 = 1.29"), HasSubstr("4 or 8 images a rank"), HasSubstr("43 or 85 on"))))
      << "T4";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("(0.11 points)"), HasSubstr("one setting run twice")))) << "T5";
  EXPECT_THAT(found, Contains(HasSubstr("0.26 points, 1.9 of those: \"alike\" is supported"))) << "T5";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("Class 9 has 38 of the 107 errors"), HasSubstr("predicts 8")))) << "T6";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("40-60 % on 8 devices"), HasSubstr("84-125 device-seconds")))) << "T7";
  EXPECT_THAT(found, Contains(HasSubstr("counts launches only"))) << "T8";
  EXPECT_THAT(found, Contains(HasSubstr("48.5 % of it; what the other 51.5 % are, is not named"))) << "T9";
}

TEST(Published, FashionDdp) {
  const auto found = says("fashion-ddp");
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("F2's 1835 images/s are F3's first epoch"), HasSubstr("momentum 0 against 0.9"),
                                    HasSubstr("1881.5"))))
      << "T1";
  EXPECT_THAT(found, Contains(HasSubstr("2.95 times (efficiency 74 %), printed as \"3 times\""))) << "T1";
  EXPECT_THAT(found, Contains(HasSubstr("1881.5 / 622 = 3.02 times"))) << "T1";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("3.86 times (efficiency 96 %)"), HasSubstr("no record is given")))) << "T1";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("59,903 images"), HasSubstr("468 x 32 x 4 and 117 x 128 x 4")))) << "T2";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("59,849 images, 55 short of 59,904 (0.09 %"), HasSubstr("slowest rank")))) << "T2";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("9,984"), HasSubstr("9,728 (W 4, b 128)"), HasSubstr("9,216 (W 4, b 256)")))) << "T3";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("leaves out 608"), HasSubstr("96 (")))) << "T3";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("lr 0.08"), HasSubstr("G 512 (F4, F6) linear 0.16, square root 0.040"),
                                    HasSubstr("G 1024 (F5, F6) linear 0.32, square root 0.057"), HasSubstr("8 ranks of 32, and 4 ran"))))
      << "T4";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D10 "), HasSubstr("F4 since epoch 1"), HasSubstr("F5 since epoch 1")))) << "T5";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("F5 and F6 can be one setting"), HasSubstr("contradict")))) << "T5";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("F7 (lr 0.06: factors 0.25 / 0.40 / 0.55 / 0.70 / 0.85 / 1.00)"), HasSubstr("25-40 %"))))
      << "T6";
  EXPECT_THAT(found, Contains(HasSubstr("at W = 1 the factor is 1"))) << "T7";
  EXPECT_THAT(found,
              Contains(AllOf(HasSubstr("NovoGrad is best"), HasSubstr("at most 0.25 long"), HasSubstr("2.5 times the gradient's length"))))
      << "T7";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("D6 "), HasSubstr("cumulative is 64.444 s"), HasSubstr("validation is in neither")))) << "T8";
  EXPECT_THAT(found, Contains(AllOf(HasSubstr("13 layers forward and backward, 26 a step"), HasSubstr("Run both")))) << "T9";
}

TEST(Published, ASentenceGoesWithItsFigure) {
  Json table = read_toml(kFolder + "esd-ddp.toml");
  for (Json& row : table["row"])
    if (row["name"] == "MobileNet 4x256") row["figures"]["t_batch"] = "3.170321";
  for (const Finding& f : detect(published_table(table))) EXPECT_THAT(f.text, Not(HasSubstr("Copied"))) << f.text;
}

TEST(Published, PicturesHoldEveryBatch) {
  const FigureTable esd = published_table(read_toml(kFolder + "esd-ddp.toml"));
  const std::string batches = batch_plot(esd, {}), hidden = hidden_plot(esd);
  EXPECT_THAT(batches, AllOf(HasSubstr("epoch 15"), HasSubstr("1024 256 90.65"), HasSubstr("mobilenetv3_small")));
  EXPECT_THAT(hidden, HasSubstr("\"toy base 64\" 21.2"));
  EXPECT_EQ(batch_plot(published_table(read_toml(kFolder + "cifar-ddp.toml")), {}), "");
}

using PublishedProgram = Program;

TEST_F(PublishedProgram, ReportShowsAPublishedTableWithoutARun) {
  for (const char* id : {"esd-ddp", "cifar-ddp", "mnist-workers", "fashion-ddp"}) {
    EXPECT_EQ(run({"report", "--published", kFolder + id + ".toml"}), 0) << text("stderr");
    EXPECT_THAT(text("stdout"), AllOf(HasSubstr("## What they say of one another"), HasSubstr("Nothing was run"))) << id;
  }
  EXPECT_EQ(run({"report"}), 2);
  EXPECT_EQ(run({"report", "--published", spec("[[row]]\nname = 1\n")}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("row 1: a value is missing or of the wrong type"));
}

}  // namespace
}  // namespace millrace

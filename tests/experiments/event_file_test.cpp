#include "experiments/event_file.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "experiments/scalars.h"
#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

TEST(Crc32c, HasTheValuesOfRfc3720) {  // Appendix B.4, and the usual check of nine digits.
  std::string up, down;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i), down += static_cast<char>(31 - i);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(up), 0x46DD794Eu);
  EXPECT_EQ(crc32c(down), 0x113FDB5Cu);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

class Events : public Program {
 protected:
  std::string folder() const { return (folder_ / "events").string(); }
  std::string only_file() const {
    std::string found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_))
      if (entry.path().filename().string().starts_with("events.out.tfevents.")) found = entry.path().string();
    return found;
  }
};

TEST_F(Events, AreRecordsWithTheirLengthAndSums) {
  EventFile file(folder(), 1.5);
  std::ifstream in(file.path(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::uint64_t length = 0;
  ASSERT_GE(bytes.size(), 16u);
  std::memcpy(&length, bytes.data(), 8);
  ASSERT_EQ(bytes.size(), 16 + length);
  EXPECT_THAT(bytes, testing::HasSubstr("brain.Event:2"));
  std::uint32_t sum = 0;
  std::memcpy(&sum, bytes.data() + 8, 4);
  const std::uint32_t crc = crc32c(bytes.substr(0, 8));
  EXPECT_EQ(sum, ((crc >> 15) | (crc << 17)) + 0xA282EAD8u);
}

TEST_F(Events, AFolderThatCannotBeMadeIsAUsageError) {
  std::ofstream(folder()) << "a file";
  EXPECT_ANY_THROW(EventFile(folder(), 1));
}

TEST_F(Events, NoValueIsWrittenForWhatIsNull) {
  Scalars scalars(folder());
  scalars.epoch({{"epoch", 1}, {"loss", nullptr}, {"lr", 0.5}});
  std::ifstream in(only_file(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  EXPECT_THAT(bytes, testing::HasSubstr("learning_rate"));
  EXPECT_THAT(bytes, testing::Not(testing::HasSubstr("loss/train")));
}

TEST_F(Events, AResumedRunTakesBackWhatItTrainsAgain) {
  Scalars scalars(folder(), 3);
  scalars.epoch({{"epoch", 3}, {"loss", 0.5}});
  std::ifstream in(only_file(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  EXPECT_THAT(bytes, testing::HasSubstr("\x10\x03\x3a\x02\x08\x01")) << "Event.step = 3, Event.session_log = { status: START }";
}

TEST_F(Events, OfAResumedRunTensorBoardShowsEachEpochOnce) {
  if (std::system(MILLRACE_PYTHON " -c 'import tensorboard.backend.event_processing' 2>/dev/null"))
    GTEST_SKIP() << "no tensorboard in " MILLRACE_PYTHON " (or on PYTHONPATH)";
  {
    Scalars first(folder()), second(folder(), 2);
    for (int epoch = 1; epoch <= 3; ++epoch) first.epoch({{"epoch", epoch}, {"loss", epoch}});
    for (int epoch = 2; epoch <= 4; ++epoch) second.epoch({{"epoch", epoch}, {"loss", 10 * epoch}});
  }
  const std::string table = (folder_ / "table").string();
  std::ofstream(folder_ / "read.py") << "import sys\nfrom tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
                                        "events = EventAccumulator(sys.argv[1])\nevents.Reload()\n"
                                        "print([(point.step, point.value) for point in events.Scalars('loss/train')])\n";
  ASSERT_EQ(std::system((std::string(MILLRACE_PYTHON " ") + (folder_ / "read.py").string() + " " + folder() + " >" + table + " 2>" + (folder_ / "python").string()).c_str()), 0)
      << text("python");
  EXPECT_EQ(text("table"), "[(1, 1.0), (2, 20.0), (3, 30.0), (4, 40.0)]\n");
}

TEST_F(Events, OfARunAreReadByTensorBoard) {
  if (std::system(MILLRACE_PYTHON " -c 'import tensorboard.backend.event_processing' 2>/dev/null"))
    GTEST_SKIP() << "no tensorboard in " MILLRACE_PYTHON " (or on PYTHONPATH)";
  ASSERT_EQ(run({"train", spec("[data]\nname = \"digits\"\nsubset = 64\nbatch = 32\n[train]\nmodel = \"toy\"\nthreads = 1\nepochs = 3\n"), "--out", out(), "--tensorboard"}), 0)
      << text("stderr");
  const std::string folder = fs::path(only_file()).parent_path().string(), table = (folder_ / "table").string();
  std::ofstream(folder_ / "read.py") << "import sys\nfrom tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
                                        "events = EventAccumulator(sys.argv[1])\nevents.Reload()\n"
                                        "for tag in sorted(events.Tags()['scalars']):\n"
                                        "    for point in events.Scalars(tag): print(tag, point.step, repr(point.value))\n";
  const std::string command = std::string(MILLRACE_PYTHON " ") + (folder_ / "read.py").string() + " " + folder + " >" + table + " 2>" + (folder_ / "python").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << text("python");
  std::map<std::string, double> read;
  std::ifstream in(table);
  double value = 0;
  int step = 0;
  for (std::string tag; in >> tag >> step >> value;) read[tag + "@" + std::to_string(step)] = value;
  const auto records = read_records(out());
  for (const Json& e : records) {
    if (e["type"] != "epoch") continue;
    const std::string at = "@" + std::to_string(e["epoch"].get<int>());
    EXPECT_FLOAT_EQ(static_cast<float>(read.at("loss/train" + at)), e["loss"].get<float>());
    EXPECT_FLOAT_EQ(static_cast<float>(read.at("accuracy/evaluation" + at)), e["accuracy"].get<float>());
    EXPECT_FLOAT_EQ(static_cast<float>(read.at("images_per_second" + at)), e["images_per_second"].get<float>());
    EXPECT_FLOAT_EQ(static_cast<float>(read.at("phase_seconds/forward" + at)), e["phases"]["forward"].get<float>());
    EXPECT_TRUE(read.contains("wait_share" + at) && read.contains("learning_rate" + at));
  }
  EXPECT_TRUE(read.contains("loss/train@3"));
}

}  // namespace
}  // namespace millrace

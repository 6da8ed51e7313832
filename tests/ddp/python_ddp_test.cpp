// PyTorch's own DDP (Gloo, processes) is asked here and now about the same batches, start and ranks.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

constexpr int kRanks = 2, kSteps = 20, kRows = 24;

struct Case {
  const char* model;
  const char* optimizer;
  double lr, momentum, bucket_mb;

  std::string text() const {
    std::ostringstream out;
    out << model << ',' << optimizer << ',' << lr << ',' << momentum << ',' << bucket_mb << ",5";
    return out.str();
  }
};
constexpr Case kCases[] = {{"toy", "sgd", 0.05, 0.9, 25}, {"lenet", "sgd", 0.02, 0.9, 0.05}, {"toy-norm", "sgd", 0.02, 0.9, 25}, {"toy-norm", "sgd", 0.02, 0.9, 0.001}};

std::unique_ptr<MemoryStream> batches_of(int rank) {
  return std::make_unique<MemoryStream>(digits(), kRows, kSteps, static_cast<std::uint64_t>(100 + rank));
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Weights, then running statistics, as the ranks of this process make them; the weights are the same on both.
std::vector<float> ours(const Case& c) {
  auto worlds = millrace_train_api()->local_worlds(kRanks, 30);
  std::vector<std::vector<float>> weights(kRanks);
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < kRanks; ++rank)
      threads.emplace_back([&, rank] {
        const auto r = static_cast<std::size_t>(rank);
        auto options = options_for(c.model);
        options.optimizer = c.optimizer;
        options.lr = c.lr;
        options.momentum = c.momentum;
        options.bucket_mb = c.bucket_mb;
        options.world = worlds[r];
        const auto trainer = make(options);
        train_on(*trainer, *batches_of(rank));
        weights[r] = weights_of(*trainer);
        const auto buffers = buffers_of(*trainer);
        weights[r].insert(weights[r].end(), buffers.begin(), buffers.end());
      });
  }
  EXPECT_EQ(weights[0], weights[1]);
  return weights[0];
}

TEST(PythonsDdp, GivesTheSameWeightsAfterTwentyStepsWithAndWithoutBatchNorm) {
  const auto folder = std::filesystem::temp_directory_path() / ("millrace_ddp_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  for (int rank = 0; rank < kRanks; ++rank) {
    std::ofstream out(folder / ("rank" + std::to_string(rank)), std::ios::binary);
    const auto stream = batches_of(rank);
    for (const auto& made : stream->slots) {
      out.write(reinterpret_cast<const char*>(made->slot.images), static_cast<std::streamsize>(made->bytes));
      out.write(reinterpret_cast<const char*>(made->labels.data()), static_cast<std::streamsize>(made->labels.size() * 8));
    }
  }
  std::ostringstream line;
  line << "'" MILLRACE_PYTHON "' '" MILLRACE_SOURCE_DIR "/tests/ddp/python_ddp.py' '" << folder.string() << "' " << kRanks << ' ' << kSteps << ' ' << kRows;
  for (const Case& c : kCases) line << ' ' << c.text();
  line << " 2>'" << (folder / "why").string() << "'";
  const bool usable = std::system(line.str().c_str()) == 0;
  const std::string why = contents(folder / "why"), values = contents(folder / "values");
  std::filesystem::remove_all(folder);
  if (!usable) GTEST_SKIP() << "Python's torch with Gloo is not usable here: " << why;
  std::size_t at = 0;
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text());
    const std::vector<float> mine = ours(c);
    ASSERT_LE(at + mine.size() * 4, values.size());
    std::vector<float> theirs(mine.size());
    std::memcpy(theirs.data(), values.data() + at, theirs.size() * 4);
    at += theirs.size() * 4;
    const double off = distance(mine, theirs);
    RecordProperty(c.text(), std::to_string(off));
    EXPECT_LT(off, 1e-5);
  }
  EXPECT_EQ(at, values.size());
}

}  // namespace
}  // namespace millrace::testing

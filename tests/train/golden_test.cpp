#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/train/trainer_fixture.h"

// Golden values: torch 2.11.0 in Python (golden_steps.py), asked here and now about the same batches.
namespace millrace::testing {
namespace {

constexpr int kSteps = 20, kRows = 32;

struct Case {
  const char* model;
  int padding;
  const char* optimizer;
  double lr, momentum;
  bool nesterov;
  double weight_decay;
  double tolerance, clip_norm = 0, label_smoothing = 0; ///< tolerance: Of the weights after 20 steps, relative to the largest. Adam divides by |g|: rounding of tiny gradients grows.

  train::TrainOptions options() const {
    auto o = options_for(model);
    o.padding = padding;
    o.optimizer = optimizer;
    o.lr = lr;
    o.momentum = momentum;
    o.nesterov = nesterov;
    o.weight_decay = weight_decay;
    o.clip_norm = clip_norm;
    o.label_smoothing = label_smoothing;
    return o;
  }
  std::string text() const {
    std::ostringstream out;
    out << model << ',' << padding << ',' << optimizer << ',' << lr << ',' << momentum << ',' << nesterov << ',' << weight_decay << ',' << clip_norm << ','
        << label_smoothing << ',' << 5;
    return out.str();
  }
};

constexpr Case kCases[] = {
    {"toy", 0, "sgd", 0.05, 0.9, false, 0, 1e-6},    {"toy", 0, "adam", 1e-3, 0, false, 1e-3, 1e-6},
    {"toy", 0, "adamw", 1e-3, 0, false, 0.01, 1e-6}, {"lenet", 2, "sgd", 0.01, 0.9, false, 0, 1e-6},
    {"lenet", 0, "sgd", 0.01, 0.9, true, 1e-3, 1e-6}, {"lenet", 0, "adam", 1e-3, 0, false, 1e-3, 1e-4},
    {"lenet", 2, "adamw", 1e-3, 0, false, 0.01, 1e-4},
    {"lenet", 2, "sgd", 0.05, 0.9, false, 1e-3, 1e-6, 0.3},     {"toy", 0, "sgd", 0.05, 0, false, 0, 1e-6, 0, 0.1},
    {"toy", 0, "adam", 1e-3, 0, false, 0, 1e-6, 0.05, 0.2},
};

/// What Python answered: numbers in a row.
class Answers {
 public:
  explicit Answers(const MemoryStream& stream) {
    const auto folder = std::filesystem::temp_directory_path() / ("millrace_golden_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    {
      std::ofstream out(folder / "batches", std::ios::binary);
      for (const auto& made : stream.slots) {
        out.write(reinterpret_cast<const char*>(made->slot.images), static_cast<std::streamsize>(made->bytes));
        out.write(reinterpret_cast<const char*>(made->labels.data()), static_cast<std::streamsize>(made->labels.size() * 8));
      }
    }
    std::ostringstream line;
    line << "'" MILLRACE_PYTHON "' '" MILLRACE_SOURCE_DIR "/tests/train/golden_steps.py' " << kSteps << ' ' << kRows;
    for (const Case& c : kCases) line << ' ' << c.text();
    for (const auto& [redirect, name] : {std::pair{"<", "batches"}, std::pair{">", "values"}, std::pair{"2>", "why"}})
      line << ' ' << redirect << "'" << (folder / name).string() << "'";
    usable = std::system(line.str().c_str()) == 0;
    why = contents(folder / "why");
    values_ = contents(folder / "values");
    std::filesystem::remove_all(folder);
  }
  std::vector<float> floats(std::size_t count) {
    std::vector<float> result(count, NAN);
    take(result.data(), count * 4);
    return result;
  }
  double number() {
    double value = NAN;
    take(&value, 8);
    return value;
  }
  bool all_taken() const { return at_ == values_.size(); }
  bool usable = false;
  std::string why;

 private:
  static std::string contents(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void take(void* to, std::size_t bytes) {
    if (at_ + bytes <= values_.size()) std::memcpy(to, values_.data() + at_, bytes);
    at_ += bytes;
  }
  std::string values_;
  std::size_t at_ = 0;
};

TEST(PythonsTorch, GivesTheSameWeightsGradientsOutputsAndLoss) {
  MemoryStream stream(digits(), kRows, kSteps, 77);
  Answers python(stream);
  if (!python.usable) GTEST_SKIP() << "Python's torch is not usable here: " << python.why;
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text());
    const auto trainer = make(c.options());
    const std::size_t n = trainer->parameters();
    EXPECT_EQ(weights_of(*trainer), python.floats(n)) << "initial weights, to the bit";
    // Sums are taken in other orders: a few units in the last place of float32.
    EXPECT_LT(distance(gradients_of(*trainer, stream.lend(0)), python.floats(n)), 1e-6);
    EXPECT_LT(distance(outputs_of(*trainer, stream.lend(0)), python.floats(kRows * 10)), 1e-6);
    stream.rewind();
    const auto result = train_on(*trainer, stream);
    const double off = distance(weights_of(*trainer), python.floats(n));
    EXPECT_LT(off, c.tolerance) << "weights after 20 steps";
    RecordProperty(c.text(), std::to_string(off));
    EXPECT_NEAR(result.loss, python.number(), 1e-6 * result.loss);
  }
  EXPECT_TRUE(python.all_taken());
}

}  // namespace
}  // namespace millrace::testing

#include <fstream>
#include <map>
#include <sstream>

#include "tests/train/trainer_fixture.h"

// The larger models against PyTorch and timm: golden_models.txt, made by golden_models.py, which explains its lines.
namespace millrace::testing {
namespace {

/// golden_models.py's: the same numbers from the same integers.
std::uint64_t noise(std::uint64_t salt, std::uint64_t index) {
  std::uint64_t x = (index + (salt << 32)) * 0x9E3779B97F4A7C15u;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9u;
  return x >> 32;
}
float uniform(std::uint64_t salt, std::uint64_t index) {
  return static_cast<float>(static_cast<double>(noise(salt, index) >> 8) / 8388608.0 - 1);
}

struct Parameter {
  std::string name;
  std::uint64_t size;
  double sum, norm, gradient_norm, gradient_probe, step_probe;
};

struct Case {
  std::string model;
  int channels, side, classes, widen, rows;
  std::uint64_t seed;
  double loss;
  std::vector<double> outputs, evaluated;
  std::vector<Parameter> parameters;

  train::TrainOptions options() const {
    train::TrainOptions o = options_for(model);
    o.input = {channels, side, side, Dtype::f32, Layout::nchw};
    o.classes = classes;
    if (widen) o.widen = widen;
    o.dropout = 0;
    o.seed = seed;
    o.lr = 0.01;
    return o;
  }
};

struct Count {
  std::string model;
  int channels, classes, widen;
  std::uint64_t parameters, tensors;
};

struct Golden {
  std::vector<Case> cases;
  std::vector<Count> counts;
};

std::vector<double> numbers(std::istringstream& in) {
  std::vector<double> values;
  for (double v; in >> v;) values.push_back(v);
  return values;
}

Golden read_golden() {
  std::ifstream file(MILLRACE_SOURCE_DIR "/tests/train/golden_models.txt");
  Golden golden;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string kind;
    in >> kind;
    if (kind == "count") {
      Count& c = golden.counts.emplace_back();
      in >> c.model >> c.channels >> c.classes >> c.widen >> c.parameters >> c.tensors;
    } else if (kind == "case") {
      Case& c = golden.cases.emplace_back();
      in >> c.model >> c.channels >> c.side >> c.classes >> c.widen >> c.rows;
    } else if (kind == "initial") {
      in >> golden.cases.back().seed;
    } else if (kind == "loss") {
      in >> golden.cases.back().loss;
    } else if (kind == "outputs") {
      golden.cases.back().outputs = numbers(in);
    } else if (kind == "evaluated") {
      golden.cases.back().evaluated = numbers(in);
    } else if (kind == "p") {
      Parameter& p = golden.cases.back().parameters.emplace_back();
      in >> p.name >> p.size >> p.sum >> p.norm >> p.gradient_norm >> p.gradient_probe >> p.step_probe;
    }
  }
  return golden;
}

const Golden& golden() {
  static const Golden all = read_golden();
  return all;
}

double norm(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v) * v;
  return std::sqrt(sum);
}
double probe(std::span<const float> values) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += static_cast<double>(values[i]) * uniform(500, i);
  return sum;
}

/// Formula weights: as golden_models.py's `formula`.
std::vector<float> formula_weights(const train::Trainer& trainer, const std::vector<std::uint64_t>& rows_of) {
  std::vector<float> values;
  const auto names = parameter_names(trainer);
  for (std::size_t p = 0; p < names.size(); ++p) {
    const auto fan_in = static_cast<double>(names[p].size) / static_cast<double>(rows_of[p]);
    const auto scale = static_cast<float>(std::sqrt(6 / fan_in));
    for (std::uint64_t i = 0; i < names[p].size; ++i) {
      const float u = uniform(p + 1, i);
      if (rows_of[p] < names[p].size)
        values.push_back(u * scale);
      else
        values.push_back(names[p].name.ends_with("bias") ? u * 0.125f : 1 + u * 0.25f);
    }
  }
  return values;
}

/// Length of the first dimension: of weights with more than one, the size of what follows them: a bias or a BatchNorm.
std::vector<std::uint64_t> leading_sizes(const std::vector<train::ParameterName>& names) {
  std::vector<std::uint64_t> rows(names.size());
  for (std::size_t p = 0; p < names.size(); ++p) {
    const bool matrix = p + 1 < names.size() && names[p].name.ends_with("weight") && names[p].size > names[p + 1].size;
    rows[p] = matrix ? names[p + 1].size : names[p].size;
  }
  return rows;
}

MemoryStream pictures(const Case& c, int steps) {
  MemoryStream stream({c.channels, c.side, c.side, Dtype::f32, Layout::nchw}, c.rows, steps);
  for (const auto& made : stream.slots) {
    auto* to = reinterpret_cast<float*>(made->slot.images);
    const std::uint64_t count = static_cast<std::uint64_t>(c.rows) * made->bytes / static_cast<std::uint64_t>(c.rows) / 4;
    for (std::uint64_t i = 0; i < count; ++i) to[i] = uniform(1000, i);
    for (std::size_t r = 0; r < made->labels.size(); ++r)
      made->labels[r] = static_cast<std::int64_t>(noise(1001, r) % static_cast<std::uint64_t>(c.classes));
  }
  return stream;
}

TEST(GoldenModels, HaveThePublishedNumbersOfParameters) {
  ASSERT_GE(golden().counts.size(), 5u);
  for (const Count& c : golden().counts) {
    SCOPED_TRACE(c.model + " " + std::to_string(c.widen));
    auto o = options_for(c.model);
    o.input.channels = c.channels;
    o.classes = c.classes;
    if (c.widen) o.widen = c.widen;
    const auto trainer = make(o);
    EXPECT_EQ(trainer->parameters(), c.parameters);
    EXPECT_EQ(parameter_names(*trainer).size(), c.tensors);
  }
}

TEST(GoldenModels, NamesOrderAndInitialWeightsAreThePeers) {
  for (const Case& c : golden().cases) {
    SCOPED_TRACE(c.model);
    const auto trainer = make(c.options());
    const auto names = parameter_names(*trainer);
    ASSERT_EQ(names.size(), c.parameters.size());
    const std::vector<float> weights = weights_of(*trainer);
    std::size_t at = 0;
    for (std::size_t p = 0; p < names.size(); ++p) {
      const Parameter& peer = c.parameters[p];
      EXPECT_EQ(names[p].name, peer.name);
      ASSERT_EQ(names[p].size, peer.size) << peer.name;
      const std::span<const float> values = std::span(weights).subspan(at, peer.size);
      at += peer.size;
      double sum = 0;
      for (const float v : values) sum += v;
      // Same draws: other CPUs round the normal distribution's sine and logarithm in the last place.
      EXPECT_NEAR(sum, peer.sum, 1e-5 * (1 + peer.norm)) << peer.name;
      EXPECT_NEAR(norm(values), peer.norm, 1e-6 * (1 + peer.norm)) << peer.name;
    }
  }
}

/// Rounding, relative to a tensor's norm; a wrong layer, stride or order is off by 0.1 or more. Channels first runs the peer's
/// kernels. Channels last adds up in another order: where a ReLU's input is about 0 it flips, which moved gradients of ResNet-18 on 8
/// pictures by up to 0.012. So it does in PyTorch itself: 3 of 1.5 M inputs change sides there, by 0.016; with the other order's masks 1e-5.
double tolerance_of(train::MemoryOrder layout) { return layout == train::MemoryOrder::nchw ? 2e-3 : 3e-2; }
/// A bias ahead of the next BatchNorm has no effect: its gradient is nothing but rounding, 1e-6 here beside others of 1 to 100.
constexpr double kNoise = 0.02;

void expect_like_the_peer(const Case& c, const train::TrainOptions& options) {
  const auto trainer = make(options);
  const auto names = parameter_names(*trainer);
  ASSERT_EQ(names.size(), c.parameters.size());
  const std::vector<float> start = formula_weights(*trainer, leading_sizes(names));
  set_weights(*trainer, start);
  MemoryStream stream = pictures(c, 1);
  const std::vector<float> gradients = gradients_of(*trainer, stream.lend(0));
  stream.rewind();
  const train::EpochResult result = train_on(*trainer, stream);
  EXPECT_NEAR(result.loss * c.rows, c.loss, 1e-4 * c.loss);
  const std::vector<float> weights = weights_of(*trainer), evaluated = outputs_of(*trainer, stream.lend(0));
  double worst = 0;
  const auto near = [&](double ours, double peers, double scale, const std::string& what) {
    worst = std::max(worst, std::abs(ours - peers) / scale);
    EXPECT_NEAR(ours, peers, tolerance_of(options.layout) * scale) << what;
  };
  std::size_t at = 0;
  for (std::size_t p = 0; p < names.size(); ++p) {
    const Parameter& peer = c.parameters[p];
    const auto range = [&](const std::vector<float>& all) { return std::span(all).subspan(at, peer.size); };
    near(norm(range(gradients)), peer.gradient_norm, peer.gradient_norm + kNoise, peer.name + " gradient's norm");
    near(probe(range(gradients)), peer.gradient_probe, peer.gradient_norm + kNoise, peer.name + " gradient");
    // The step itself, not the weights that it hardly moves.
    const double moved = probe(range(weights)) - probe(range(start)), peers_move = peer.step_probe - probe(range(start));
    near(moved, peers_move, 0.01 * peer.gradient_norm / c.rows + 2e-3 * (1 + norm(range(start))) * 1e-2, peer.name + " step");
    at += peer.size;
  }
  double scale = 0;
  for (const double v : c.evaluated) scale = std::max(scale, std::abs(v));
  for (std::size_t i = 0; i < c.evaluated.size(); ++i)
    near(evaluated[i / 5 * static_cast<std::size_t>(c.classes) + i % 5], c.evaluated[i], scale, "evaluated " + std::to_string(i));
  ::testing::Test::RecordProperty(c.model + std::to_string(c.channels), std::to_string(worst));
}

TEST(GoldenModels, GradientsStepAndEvaluationAreThePeers) {
  for (const Case& c : golden().cases) {
    SCOPED_TRACE(c.model);
    train::TrainOptions options = c.options();
    for (const train::MemoryOrder layout : {train::MemoryOrder::nchw, train::MemoryOrder::nhwc}) {
      SCOPED_TRACE(layout == train::MemoryOrder::nchw ? "nchw" : "nhwc");
      options.layout = layout;
      expect_like_the_peer(c, options);
    }
  }
}

/// How far a step in bf16 lies from one in float32, as a share of it: PyTorch's figures (golden_models.py --bf16).
double apart_in_bf16(const Case& c) {
  if (c.model == "mobilenetv3_small") return c.channels == 1 ? 0.2645 : 0.1600;
  return c.model == "resnet18" ? 0.3423 : 0.0183;
}

TEST(GoldenModels, InBf16TheyStepAsThePeers) {
  for (const Case& c : golden().cases) {
    SCOPED_TRACE(c.model + " " + std::to_string(c.channels));
    std::vector<float> moved[2];
    for (const bool half : {false, true}) {
      train::TrainOptions options = c.options();
      if (half) options.precision = train::Precision::bf16;
      const auto trainer = make(options);
      const std::vector<float> start = formula_weights(*trainer, leading_sizes(parameter_names(*trainer)));
      set_weights(*trainer, start);
      MemoryStream stream = pictures(c, 1);
      const train::EpochResult result = train_on(*trainer, stream);
      EXPECT_NEAR(result.loss * c.rows, c.loss, (half ? 0.03 : 1e-4) * c.loss);
      moved[half] = weights_of(*trainer);
      for (std::size_t i = 0; i < start.size(); ++i) moved[half][i] -= start[i];
    }
    std::vector<float> apart = moved[1];
    for (std::size_t i = 0; i < apart.size(); ++i) apart[i] -= moved[0][i];
    const double share = norm(apart) / norm(moved[0]);
    RecordProperty(c.model + std::to_string(c.channels), std::to_string(share));
    EXPECT_NEAR(share, apart_in_bf16(c), 0.1 * apart_in_bf16(c));  // Processors differ by 3 %: ReLUs flip.
  }
}

}  // namespace
}  // namespace millrace::testing

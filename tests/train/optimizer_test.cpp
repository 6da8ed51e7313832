#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

/// The formula of studies and paper in double, a tensor at a time.
struct PlainNovoGrad {
  double lr, beta1, beta2, eps, decay;
  bool averaging;
  std::vector<double> v, m, w;
  std::vector<std::uint64_t> sizes;

  void step(const std::vector<float>& summed, double rows) {
    std::size_t at = 0;
    for (std::size_t t = 0; t < sizes.size(); ++t) {
      double q = 0;
      for (std::size_t i = at; i < at + sizes[t]; ++i) q += summed[i] / rows * (summed[i] / rows);
      v[t] = v[t] == 0 ? q : beta2 * v[t] + (1 - beta2) * q;
      for (std::size_t i = at; i < at + sizes[t]; ++i) {
        double u = summed[i] / rows / (std::sqrt(v[t]) + eps) + decay * w[i];
        if (averaging) u *= 1 - beta1;
        m[i] = beta1 * m[i] + u;
        w[i] -= lr * m[i];
      }
      at += sizes[t];
    }
  }
};

TEST(NovoGrad, FollowsItsFormulaOver20Steps) {
  constexpr int kSteps = 20, kRows = 16;
  for (const auto& [beta2, decay, averaging] : {std::tuple{0.0, 0.0, true}, {0.25, 1e-3, false}, {0.98, 1e-2, true}}) {
    SCOPED_TRACE(beta2);
    train::TrainOptions options = options_for("lenet");
    options.optimizer = "novograd";
    options.lr = 0.05;
    options.beta1 = 0.95;
    options.beta2 = beta2;
    options.weight_decay = decay;
    options.grad_averaging = averaging;
    const auto trainer = make(options);
    const std::vector<float> start = weights_of(*trainer);
    PlainNovoGrad plain{options.lr, options.beta1, beta2, options.eps, decay, averaging, {}, std::vector<double>(start.size()),
                        std::vector<double>(start.begin(), start.end()), {}};
    for (const auto& name : parameter_names(*trainer)) plain.sizes.push_back(name.size);
    plain.v.resize(plain.sizes.size());
    MemoryStream stream(digits(), kRows, kSteps, 3);
    for (std::size_t step = 0; step < kSteps; ++step) {
      plain.step(gradients_of(*trainer, stream.lend(step)), kRows);
      trainer->train_epoch(stream, {}, {}, 1);
    }
    // Gradients are taken at our own weights each time, so that only the optimiser's rounding adds up.
    EXPECT_LT(distance(weights_of(*trainer), std::vector<float>(plain.w.begin(), plain.w.end())), 2e-6);
  }
}

TEST(NovoGrad, MovesATensorByAtMostItsRate) {
  train::TrainOptions options = options_for("toy");
  options.optimizer = "novograd";
  options.beta1 = 0.95;
  options.beta2 = 0;
  options.lr = 0.1;
  const auto trainer = make(options);
  MemoryStream stream(digits(), 16, 5);
  std::vector<float> before = weights_of(*trainer);
  for (int step = 0; step < 5; ++step) {
    trainer->train_epoch(stream, {}, {}, 1);
    const std::vector<float> after = weights_of(*trainer);
    std::size_t at = 0;
    for (const auto& name : parameter_names(*trainer)) {
      double moved = 0;
      for (std::size_t i = at; i < at + name.size; ++i) moved += std::pow(after[i] - before[i], 2);
      EXPECT_LE(std::sqrt(moved), options.lr * 1.0001) << name.name;
      at += name.size;
    }
    before = after;
  }
}

TEST(Optimizer, TakesTheRateOfEachStep) {
  train::TrainOptions options = options_for("toy");
  options.lr = 0.1;
  options.momentum = 0;
  options.schedule = {.kind = train::ScheduleKind::step, .step_epochs = 1, .step_factor = 0.5, .epochs = 3, .steps_an_epoch = 2};
  const auto trainer = make(options);
  EXPECT_EQ(trainer->learning_rate(), 0.1);
  MemoryStream stream(digits(), 8, 6);
  std::vector<float> before = weights_of(*trainer);
  for (std::size_t step = 0; step < 6; ++step) {
    const std::vector<float> gradient = gradients_of(*trainer, stream.lend(step));
    const double lr = 0.1 * std::pow(0.5, static_cast<double>(step / 2));
    EXPECT_NEAR(trainer->train_epoch(stream, {}, {}, 1).lr, lr, 1e-12);
    std::vector<float> expected = before;
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] -= static_cast<float>(lr * gradient[i] / 8);
    before = weights_of(*trainer);
    EXPECT_LT(distance(before, expected), 1e-6) << "step " << step;
  }
}

TEST(Optimizer, RefusesValuesOutOfRange) {
  for (const auto change : std::initializer_list<void (*)(train::TrainOptions&)>{
           [](auto& o) { o.optimizer = "lion"; }, [](auto& o) { o.clip_norm = -1; }, [](auto& o) { o.label_smoothing = 1; },
           [](auto& o) { o.optimizer = "novograd", o.beta1 = 1; }}) {
    train::TrainOptions options = options_for("toy");
    change(options);
    EXPECT_EQ(error_of([&] { make(options); }), ErrorKind::usage);
  }
}

}  // namespace
}  // namespace millrace::testing

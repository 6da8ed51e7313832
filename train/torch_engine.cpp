// A step with LibTorch: forward, backward, optimiser, on the device that the options name.
#include <c10/core/AutogradState.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <optional>

#include "pipeline/error.h"
#include "train/autocast.h"
#include "train/batch_norm.h"
#include "train/device.h"
#include "train/engine.h"
#include "train/gradient_sync.h"
#include "train/inspect.h"
#include "train/net.h"
#include "train/numerics.h"
#include "train/optimizer.h"
#include "train/range.h"
#include "train/replicas.h"
#include "train/slow_link.h"
#include "train/state.h"
#include "train/step_graph.h"
#include "train/translated.h"

namespace millrace::train {
namespace {

std::unique_ptr<Device> make_device(const TrainOptions& options) {
  const std::string& name = options.device;
  // Ranks of one process take the GPUs in turn; a rank that is a process says which is its.
  const int own = options.world ? options.world->rank() % std::max(1, cuda_devices()) : 0;
  if (name == "cpu" || (name == "auto" && !why_no_cuda(own).empty())) return make_cpu_device(options);
  if (name == "cuda" || name == "auto") return make_cuda_device(options, own);
  if (name.starts_with("cuda:") && name.size() > 5 && name.size() < 8 && name.find_first_not_of("0123456789", 5) == std::string::npos)
    return make_cuda_device(options, std::stoi(name.substr(5)));
  throw Error(ErrorKind::usage, "train.device: unknown device '" + name + "'", "auto, cpu, cuda or cuda:N");
}

class TorchEngine final : public Engine {
 public:
  explicit TorchEngine(const TrainOptions& options)
      : options_(options),
        device_(entered(make_device(options))),
        net_(make_net(options, device_->where())),
        weights_(net_->parameters(), device_->where(), first_bucket_bytes(options), bucket_bytes(options)),
        optimizer_(options, weights_),
        buffers_(net_->buffers(), device_->where()) {
    trace_phases(meter(), options, device_->uploads_ahead());
    if (options.graph_step) graph_ = checked_graph();
    if (options.replicas > 1) replicas_.emplace(options, *net_, weights_, buffers_, device_->where());
    if (!options.world || options.world->size() < 2) return;
    ranks_ = std::dynamic_pointer_cast<Collective>(options.world);
    if (!ranks_) throw Error(ErrorKind::internal, "these ranks were made elsewhere");
    if (options.link_mbit > 0) ranks_ = make_slow_link(std::move(ranks_), options.link_mbit);
    if (options.norm == Norm::syncbn) norms_ = synchronise_norms(*net_, ranks_);
    // Without a second way, sums within backward and sums of gradients must not overtake one another.
    sync_.emplace(ranks_, weights_, /*overlap=*/!norms_ || ranks_->second(), reduce_lanes_of(options));
    computes_nothing_ = norms_ != nullptr;
    at::NoGradGuard no_grad;
    staging_.broadcast(*ranks_, weights_.weights(), 0);
    broadcast_buffers(); // From here on after each step, which is before the next forward.
  }

  std::uint64_t parameters() const override { return weights_.count(); }
  std::string device() const override {
    return translated([&] { return device_->name(); });
  }
  Meter& meter() override { return device_->meter(); }
  double learning_rate() const override { return optimizer_.schedule().base(); }
  double last_learning_rate() const override { return optimizer_.learning_rate(); }
  void enter() override {
    translated([&] {
      device_->enter();
      if (device_->where().is_cuda()) set_numerics(options_);
    });
    // Backward in this thread on a GPU too: local ranks that share it would share autograd's thread, and wait for one another in it;
    // and a graph is captured thread by thread.
    if (ranks_ || graph_) c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
  }
  void synchronize() override {
    translated([&] { device_->synchronize(); });
  }

  bool uploads_ahead() const override { return device_->uploads_ahead(); }
  void upload(Batch batch) override {
    translated([&] { device_->upload(std::move(batch)); });
  }
  void settle_uploads() override {
    translated([&] { device_->settle_uploads(); });
  }
  void forget_upload() override { device_->forget_upload(); }

  void begin(bool training) override {
    translated([&] {
      device_->discard();
      net_->train(training);
      device_->reset_loss();
      correct_ = at::zeros({options_.classes}, at::TensorOptions().dtype(at::kLong).device(device_->where()));
      if (!training && ranks_ && options_.buffers == Buffers::average) average_buffers();
    });
  }
  void compute(bool last) override {
    translated([&] {
      begin_compute();
      step_of(device_->receive(), last, [&] { device_->release(); });
    });
  }
  void compute_nothing(bool last) override {
    if (!computes_nothing_) return;
    translated([&] {
      begin_compute();
      train_on(no_rows(), last, [] {});
    });
  }
  bool waits_in_forward() const override { return computes_nothing_; }
  Tally conclude(Tally mine) override {
    return translated([&] {
      Meter& books = meter();
      begin_compute();
      computed_ = false;
      if (std::exchange(bad_, false)) mine.nonfinite = 1;
      was_nonfinite_ = mine.nonfinite > 0;
      concluded_loss_ = std::exchange(step_loss_, {});
      Range range(books, sync_ ? Phase::reduce : Phase::optimizer);
      if (sync_) {
        if (!std::exchange(expecting_, false)) sync_->expect();
        mine = sync_->finish(mine, concluded_loss_);
        books.device(Phase::reduce);
      }
      settle_buffers(mine);
      if (!options_.stop_at_nonfinite) mine.nonfinite = 0;
      if (sync_) range.next(Phase::optimizer);
      if (std::exchange(graphed_, false)) {
        optimizer_.stepped_elsewhere();
        ++graph_steps_;
      } else {
        if (mine.steps()) optimizer_.step(mine.rows);
        weights_.forget_gradients();
        books.device(Phase::optimizer);
      }
      if (ranks_ && mine.steps() && options_.buffers == Buffers::broadcast && !computes_nothing_ && buffers_.flat().defined()) {
        range.next(Phase::reduce);
        broadcast_buffers();
        books.device(Phase::reduce);
      }
      books.step_ends();
      return mine;
    });
  }
  bool was_nonfinite() const override {
    if (!concluded_loss_.defined()) return was_nonfinite_;
    return translated([&] {
      device_->synchronize();
      return !std::isfinite(concluded_loss_.cpu().item<float>());
    });
  }
  double take_reduce_hidden_seconds() override { return sync_ ? sync_->take_hidden_seconds() : 0; }
  std::uint64_t take_graph_steps() override { return std::exchange(graph_steps_, 0); }
  void score() override {
    translated([&] {
      at::NoGradGuard no_grad;
      const Input input = device_->receive();
      const at::Tensor scores = (*net_)(input.images);
      device_->add_loss(loss_of(scores, input.labels));
      correct_.scatter_add_(0, input.labels, scores.argmax(1).eq(input.labels).to(at::kLong));
      device_->release();
    });
  }
  void ask_for_loss() override {
    translated([&] { device_->ask_for_loss(); });
  }
  double seen_loss() const override { return device_->seen_loss(); }
  double loss() override {
    return translated([&] { return device_->loss(); });
  }
  std::vector<std::uint64_t> class_correct() override {
    return translated([&] {
      device_->synchronize(); // Watched, which a copy by itself is not.
      const at::Tensor counts = correct_.cpu();
      const auto* first = counts.const_data_ptr<std::int64_t>();
      return std::vector<std::uint64_t>(first, first + counts.numel());
    });
  }
  double weights_norm() override {
    return translated([&] {
      device_->synchronize();
      return weights_.norm();
    });
  }

  bool one_row_is_too_few() override {
    return translated([&] {
      at::NoGradGuard no_grad;
      const RowFormat& f = options_.input;
      net_->train(false);
      (*net_)(at::zeros({1, f.channels, f.height, f.width}, at::TensorOptions().device(device_->where())));
      return std::ranges::any_of(net_->modules(), [](const auto& module) {
        const auto* norm = dynamic_cast<const BatchNormImpl*>(module.get());
        return norm && norm->values_a_channel == 1;
      });
    });
  }

  void save(TrainerState& into, bool own_only) override {
    translated([&] {
      device_->synchronize();
      save_state(into, *net_, weights_, optimizer_, {own_only, options_.world && options_.world->size() > 1});
    });
  }
  void load(const TrainerState& from) override {
    translated([&] {
      device_->synchronize();
      load_state(from, *net_, weights_, optimizer_);
    });
  }

  void hold(std::span<Batch> resident) override {
    translated([&] {
      held_.clear();
      for (const Batch& batch : resident) held_.push_back(device_->resident(batch));
    });
  }
  void compute_held(std::size_t index, bool last) override {
    translated([&] {
      begin_compute();
      step_of(held_[index], last, [] {});
    });
  }

  // For train/inspect.h.
  std::vector<float> weights() const { return values_of(weights_.weights()); }
  std::vector<float> buffers() const {
    std::vector<float> values;
    for (const at::Tensor& buffer : net_->buffers())
      if (buffer.scalar_type() == at::kFloat) append(values, buffer);
    return values;
  }
  std::vector<ParameterName> names() const {
    std::vector<ParameterName> names;
    for (const auto& item : net_->named_parameters()) names.push_back({item.key(), static_cast<std::uint64_t>(item.value().numel())});
    return names;
  }
  void set_weights(std::span<const float> values) {
    at::NoGradGuard no_grad;
    std::size_t at = 0;
    for (at::Tensor parameter : weights_.parameters()) {
      const auto count = static_cast<std::size_t>(parameter.numel());
      parameter.copy_(at::from_blob(const_cast<float*>(values.subspan(at, count).data()), parameter.sizes(), at::kFloat));
      at += count;
    }
  }
  std::vector<float> gradients(Batch batch) {
    enter();
    return translated([&] {
      net_->train(true);
      device_->upload(std::move(batch));
      const Input input = device_->receive();
      loss_of((*net_)(input.images), input.labels).backward();
      device_->release();
      device_->settle_uploads();
      weights_.take_gradients();
      const auto result = values_of(weights_.gradients());
      weights_.forget_gradients();
      return result;
    });
  }
  std::vector<float> outputs(Batch batch) {
    enter();
    return translated([&] {
      at::NoGradGuard no_grad;
      net_->train(false);
      device_->upload(std::move(batch));
      const at::Tensor scores = (*net_)(device_->receive().images).cpu().contiguous();
      device_->release();
      device_->settle_uploads();
      const auto* first = scores.const_data_ptr<float>();
      return std::vector<float>(first, first + scores.numel());
    });
  }

 private:
  static std::unique_ptr<Device> entered(std::unique_ptr<Device> device) {
    translated([&] { device->enter(); });
    return device;
  }
  /// Summed over rows: the optimiser divides, by the rows of all ranks where there are several.
  static at::Tensor loss_of(const at::Tensor& scores, const at::Tensor& labels, double smoothing = 0) {
    return at::cross_entropy_loss(scores, labels, /*weight=*/{}, at::Reduction::Sum, /*ignore_index=*/-100, smoothing);
  }

  static std::int64_t bucket_bytes(const TrainOptions& o) { return static_cast<std::int64_t>(o.bucket_mb * (1 << 20)); }
  static std::int64_t first_bucket_bytes(const TrainOptions& o) { return std::min<std::int64_t>(1 << 20, bucket_bytes(o)); }

  void begin_compute() {
    if (!computed_) meter().step_begins();
    computed_ = true;
  }
  Input no_rows() const {
    const RowFormat& f = options_.input;
    return {at::zeros({0, f.channels, f.height, f.width}, at::TensorOptions().device(device_->where())),
            at::zeros({0}, at::TensorOptions().dtype(at::kLong).device(device_->where()))};
  }

  /// On the CPU the loss is at hand. On a GPU it goes to the other ranks with what goes there anyway; of a single rank it is seen
  /// in the sum, from time to time (Engine::seen_loss).
  void look_at(const at::Tensor& loss) {
    if (loss.is_cpu())
      bad_ = bad_ || !std::isfinite(*loss.const_data_ptr<float>());
    else if (sync_)
      step_loss_ = step_loss_.defined() ? step_loss_ + loss : loss;
  }

  std::unique_ptr<StepGraph> checked_graph() const {
    const auto refuse = [](const char* what, const char* hint) { throw Error(ErrorKind::usage, std::string("train.step = \"graph\" ") + what, hint); };
    if (!device_->where().is_cuda()) refuse("needs a GPU", "use train.step = \"eager\" on the CPU");
    if (options_.world && options_.world->size() > 1) refuse("is for one rank", "use train.step = \"eager\" with several");
    if (options_.replicas > 1) refuse("is for one replica", "use train.mode = \"single\", or train.step = \"eager\"");
    if (options_.accumulate > 1) refuse("takes a step for each batch", "use train.accumulate = 1, or train.step = \"eager\"");
    if (!optimizer_.takes_rate_from_device()) refuse("is not for novograd", "its steps wait for the device; use train.step = \"eager\"");
    return make_step_graph();
  }

  /// One batch's forward and backward; where the step is a graph, all of the step.
  template <class Done>
  void step_of(const Input& input, bool last, Done&& done) {
    if (!graph_ || !graph_->take(input)) return train_on(input, last, done);
    meter().device(Phase::upload);
    const Range range(meter(), Phase::forward);
    done(); // The graph has its own copy.
    optimizer_.prepare(static_cast<double>(input.labels.size(0)));
    net_->prepare(device_->where());
    graph_->run([this](const Input& fixed) { whole_step(fixed); }, net_->generator);
    graphed_ = true;
    meter().device(Phase::forward); // Events within would be part of the graph: the step is one phase.
  }
  /// What is captured: nothing here may wait for the device.
  void whole_step(const Input& input) {
    at::Tensor loss;
    {
      Autocast autocast(options_.precision, device_->where().type());
      loss = loss_of(net_->forward(net_->in_order(input.images)), input.labels, options_.label_smoothing);
    }
    device_->add_loss(loss.detach());
    torch::autograd::backward({optimizer_.scaled(loss)}, {});
    loss.reset();
    buffers_.count(1);
    weights_.take_gradients();
    optimizer_.step_prepared();
    weights_.forget_gradients();
  }

  template <class Done>
  void train_on(const Input& input, bool last, Done&& done) {
    Meter& books = meter();
    books.device(Phase::upload);
    Range range(books, Phase::forward);
    if (replicas_) {
      replicas_->scatter(input.images);
      books.device(Phase::upload);
      replicas_->copy_weights();
      books.device(Phase::reduce);
    }
    const auto forward = [this](Net& net, const at::Tensor& images) {
      Autocast autocast(options_.precision, images.device().type());
      return net(images);
    };
    begin_forward(input);
    const at::Tensor scores = replicas_ ? replicas_->gather(forward) : at::Tensor();
    at::Tensor loss;
    {
      Autocast autocast(options_.precision, device_->where().type());
      loss = loss_of(replicas_ ? scores : (*net_)(input.images), input.labels, options_.label_smoothing);
    }
    device_->add_loss(loss.detach());
    look_at(loss.detach());
    books.device(Phase::forward);
    range.next(Phase::backward);
    if (last && sync_) {
      sync_->expect();
      expecting_ = true;
    }
    torch::autograd::backward({optimizer_.scaled(loss)}, {});
    if (replicas_) replicas_->backward(scores.grad());
    weights_.take_gradients();
    loss.reset(); // Frees the graph, which is part of backward's work and may hold the input.
    done();
    books.device(Phase::backward);
    if (!replicas_) return;
    replicas_->add_up();
    books.device(Phase::reduce);
  }

  void begin_forward(const Input& input) {
    if (norms_ && device_->where().is_cuda()) {
      if (forwards_ == 0) buffers_.remember();
      norms_->begin_forward(input.labels.size(0), device_->where());
    }
    ++forwards_;
  }
  /// Once a step's rows are known, of all ranks.
  void settle_buffers(const Tally& all) {
    const std::int64_t forwards = std::exchange(forwards_, 0);
    if (all.rows > 0) buffers_.count(forwards);
    if (forwards == 0 || !norms_ || !device_->where().is_cuda()) return;
    if (all.rows == 0) buffers_.restore(); // Every row was left out: nobody's statistics change.
    if (all.rows > 0 && all.rows * static_cast<double>(norms_->fewest_values_a_row()) <= 1) throw one_value_a_channel();
  }

  void broadcast_buffers() {
    at::NoGradGuard no_grad;
    if (buffers_.flat().defined()) staging_.broadcast(*ranks_, buffers_.flat(), 0);
  }
  void average_buffers() {
    at::NoGradGuard no_grad;
    if (!buffers_.flat().defined()) return;
    staging_.all_reduce_sum(*ranks_, buffers_.flat());
    buffers_.flat().div_(ranks_->size());
  }

  static void append(std::vector<float>& values, const at::Tensor& more) {
    const at::Tensor tensor = more.detach().cpu().contiguous();
    const auto* first = tensor.const_data_ptr<float>();
    values.insert(values.end(), first, first + tensor.numel());
  }
  /// Of all parameters, in their order, from a buffer that is laid out as the weights are.
  std::vector<float> values_of(const at::Tensor& flat) const {
    std::vector<float> values;
    for (std::size_t i = 0; i < weights_.parameters().size(); ++i) append(values, weights_.view_of(flat, i));
    return values;
  }

  const TrainOptions options_;
  std::unique_ptr<Device> device_;
  std::shared_ptr<Net> net_;
  FlatParameters weights_;
  Optimizer optimizer_;
  FlatBuffers buffers_;
  std::shared_ptr<Collective> ranks_; ///< Null: the only rank.
  std::optional<GradientSync> sync_;
  std::optional<Replicas> replicas_;  ///< The dp mode.
  std::unique_ptr<StepGraph> graph_;  ///< Null: steps are eager.
  bool graphed_ = false;              ///< This step was a graph.
  std::uint64_t graph_steps_ = 0;
  Staging staging_;
  std::shared_ptr<NormSync> norms_;   ///< SyncBN; null: without.
  std::int64_t forwards_ = 0;         ///< In training, of this step.
  bool computes_nothing_ = false;     ///< SyncBN: other ranks wait for this one within forward.
  bool computed_ = false, expecting_ = false; ///< In this step.
  bool bad_ = false, was_nonfinite_ = false; ///< A loss of this step, and of the one concluded last.
  at::Tensor step_loss_, concluded_loss_;    ///< The same on a GPU among ranks: the losses themselves.
  at::Tensor correct_;
  std::vector<Input> held_;
};

TorchEngine* torch_engine(const Trainer& trainer) {
  const auto* known = dynamic_cast<const EngineTrainer*>(&trainer);
  if (!known) throw Error(ErrorKind::internal, "a trainer that was made elsewhere cannot be inspected");
  return dynamic_cast<TorchEngine*>(&known->engine());
}

}  // namespace

std::unique_ptr<Engine> make_torch_engine(const TrainOptions& options) {
  return translated([&] { return std::make_unique<TorchEngine>(options); });
}

std::vector<float> weights_of(const Trainer& trainer) {
  const TorchEngine* engine = torch_engine(trainer);
  return engine ? engine->weights() : std::vector<float>{};
}

std::vector<float> buffers_of(const Trainer& trainer) {
  const TorchEngine* engine = torch_engine(trainer);
  return engine ? engine->buffers() : std::vector<float>{};
}

std::vector<ParameterName> parameter_names(const Trainer& trainer) {
  const TorchEngine* engine = torch_engine(trainer);
  return engine ? engine->names() : std::vector<ParameterName>{};
}

void set_weights(Trainer& trainer, std::span<const float> values) {
  if (TorchEngine* engine = torch_engine(trainer)) translated([&] { engine->set_weights(values); });
}

std::vector<float> gradients_of(Trainer& trainer, Batch batch) {
  TorchEngine* engine = torch_engine(trainer);
  return engine ? engine->gradients(std::move(batch)) : std::vector<float>{};
}

std::vector<float> outputs_of(Trainer& trainer, Batch batch) {
  TorchEngine* engine = torch_engine(trainer);
  return engine ? engine->outputs(std::move(batch)) : std::vector<float>{};
}

}  // namespace millrace::train

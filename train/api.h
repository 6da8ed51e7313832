#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/batch.h"
#include "pipeline/trace.h"
#include "train/safetensors.h"

// The door to training. No torch type passes through it: experiments/ loads the library behind it on first use
// (train/load.h), so that what only loads data neither links nor starts LibTorch.
namespace millrace::train {

/// What ranks do about a model's buffers (BatchNorm's running statistics): rank 0's for all before each step, as torch's DDP; each
/// its own; or each its own with the mean of all taken before an evaluation.
enum class Buffers : std::uint8_t { broadcast, per_rank, average };
/// What BatchNorm's statistics are taken over: a rank's rows, or the valid rows of all ranks.
enum class Norm : std::uint8_t { bn, syncbn };
/// fp16_unscaled is fp16 without a loss scaler, as one of the published studies trained.
enum class Precision : std::uint8_t { fp32, bf16, fp16, fp16_unscaled };
/// Which float32 work a GPU may do on tensor cores with 10 bits of mantissa: torch's default is convolutions, but not matrix products.
enum class Tf32 : std::uint8_t { convolutions, all, none };
/// How activations and convolution weights lie in memory: automatic takes what is faster for the model on the device.
enum class MemoryOrder : std::uint8_t { automatic, nchw, nhwc };

/// The ranks of one run, as one of them sees them. Made by Api::local_worlds or Api::join_world, given to trainers in
/// TrainOptions; what ranks say about runs (settings, stops, failures) goes through here, gradients through what lies behind it.
/// Threads: one caller at a time a rank; abort from any thread.
/// Errors:  Error(communication) that names the rank at fault, for a peer that is gone, has aborted or has been silent for longer
///          than the time-out; every later call throws the same.
class World {
 public:
  virtual ~World() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string name() const = 0;                                      ///< "local", "gloo", "nccl".
  virtual std::vector<std::string> all_gather(const std::string& words) = 0; ///< What each rank said, by rank; of any lengths.
  virtual void barrier() = 0;
  /// Ends the run on every rank: their calls, waiting ones too, throw Error(communication) with this rank and `cause`. The first
  /// cause wins.
  virtual void abort(const std::string& cause) noexcept = 0;
};

/// How a process that is one rank finds the others.
struct JoinOptions {
  int rank = 0, size = 1, local_rank = 0;
  std::string host = "127.0.0.1";
  std::string host_hint = "is MASTER_ADDR right?"; ///< What to look at where `host` cannot be resolved or reached.
  int port = 0;
  bool store_is_there = false;       ///< Whoever launched the ranks serves the store (torchrun), and starts again those that are lost; otherwise rank 0 does.
  std::string backend = "gloo";      ///< gloo, or nccl for a rank with a GPU of its own; the same on all.
  std::string why_backend;           ///< Where that is not the user's word: "no NVIDIA driver". For ranks that differ.
  std::string host_id;               ///< NCCL_HOSTID: what NCCL takes for a host. Ranks that differ in it may share a GPU, on trial.
  std::string device = "cpu";        ///< As TrainOptions::device, resolved: where nccl's tensors lie.
  std::string run_id;                ///< Part of every key, so that a stray process is never counted as a rank.
  double timeout_seconds = 60;       ///< Of a peer's silence, and for all to come.
  std::string interface;             ///< Network interfaces to talk over, the first that is there ("eth0,eth1"); empty: what leads to rank 0.
  int listen_fd = -1;                ///< Rank 0's: a socket that listens at host and port already. Taken over.
};

enum class ScheduleKind : std::uint8_t { constant, cosine, step, one_cycle };

/// How the learning rate changes (train/schedule.h).
struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::constant;
  bool every_step = false;           ///< Otherwise the rate changes between epochs only.
  double warmup_epochs = 0;          ///< Linear from warmup_start times the rate; 0: none.
  double warmup_start = 0;           ///< 0: where lr_scaling raises the rate, from the unscaled one; otherwise a third, as torch's LinearLR.
  double step_epochs = 30, step_factor = 0.1; ///< Of `step`: times step_factor every step_epochs.
  std::uint32_t epochs = 1;          ///< Planned, for cosine and one-cycle.
  std::uint64_t steps_an_epoch = 1;  ///< Updates.
  std::uint64_t steps = 0;           ///< Planned updates in all, for a rate that changes every step; 0: whole epochs.
};

/// How the base rate grows with the global batch: not, with G / base_batch, with its root.
enum class LrScaling : std::uint8_t { none, linear, square_root };

/// [train] of a spec, parsed.
struct TrainOptions {
  std::string model = "lenet";       ///< toy, lenet, mobilenetv3_small, resnet18, wide_resnet, or sleep (no compute: waits step_microseconds).
  int padding = 0;                   ///< Of LeNet's first convolution: 0 (44,426 parameters) or 2 (61,706).
  int widen = 10;                    ///< Of wide_resnet.
  double dropout = 0.01;             ///< Of wide_resnet.
  int classes = 10;
  RowFormat input;                   ///< As the loader delivers it. u8 rows are normalised on the device with mean and std.
  std::vector<double> mean, std;     ///< For u8 input; empty: v / 255.
  std::string weights;               ///< A safetensors file to start from (train/weights.h); empty: drawn from the seed.
  bool fresh_head = false;           ///< Its classifier is left out.
  std::string optimizer = "sgd";     ///< sgd, adam, adamw, novograd.
  double lr = 0.01, momentum = 0.9, weight_decay = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  bool nesterov = false;
  bool grad_averaging = true;        ///< Of novograd, whose usual betas are 0.95 and 0.
  ScheduleOptions schedule;
  LrScaling lr_scaling = LrScaling::none;
  std::uint64_t global_batch = 32, base_batch = 32; ///< Rows an update, as planned; those that lr was meant for.
  double clip_norm = 0;              ///< The mean gradient is shortened to this L2 norm; 0: never.
  double label_smoothing = 0;        ///< In training; evaluation scores plain labels.
  std::string device = "auto";       ///< cpu, cuda, cuda:N; auto: cuda where there is one.
  int threads = 0;                   ///< Intra-op threads of this trainer on the CPU; 0: the cores this process may use.
  Precision precision = Precision::fp32;
  MemoryOrder layout = MemoryOrder::automatic;
  Tf32 tf32 = Tf32::convolutions;    ///< This and the next two are the process's on a GPU: trainers that step at the same time share them.
  bool cudnn_benchmark = false;      ///< cuDNN tries its algorithms on each new shape and keeps the fastest, which may differ from run to run.
  bool deterministic = false;        ///< On a GPU too the same steps give the same bits: no sums in the order in which threads happen to end.
  bool graph_step = false;           ///< The whole step as one CUDA graph (train/step_graph.h); one rank on a GPU.
  std::uint64_t seed = 0;
  double step_microseconds = 1000;   ///< Of the sleep model.
  std::shared_ptr<World> world;      ///< Null: the only rank.
  double link_mbit = 0;              ///< Slows sums between ranks to a link of so many Mbit/s, on purpose; 0: as it is.
  double bucket_mb = 25;             ///< MiB of gradients that are reduced at once; 0: each parameter's by itself.
  int accumulate = 1;                ///< Batches whose gradients are added up before they are reduced and a step is taken.
  Buffers buffers = Buffers::broadcast;
  Norm norm = Norm::bn;
  int replicas = 1;                  ///< Above 1: data parallel in one process (`dp`): copies that share each batch of this trainer.
  Trace* trace = nullptr;            ///< Where phases and all-reduce are traced; null: nowhere. Must outlive the trainer.
  bool stop_at_nonfinite = true;     ///< A loss that is not finite ends the run: at its step; with one rank on a GPU within a progress interval.
};

/// Measured parts of a trainer's wall time, in seconds; on CUDA forward, backward and optimizer come from events.
/// `other` is measured activity (metrics, progress), not a remainder.
struct Phases {
  double wait = 0, upload = 0, forward = 0, backward = 0, reduce = 0, optimizer = 0, other = 0;
  double sum() const { return wait + upload + forward + backward + reduce + optimizer + other; }
  Phases& operator+=(const Phases& o);
};

/// One rank's part in an epoch.
struct RankResult {
  int rank = 0;
  std::string device;
  std::uint64_t images = 0;
  double wall_seconds = 0, unaccounted_seconds = 0;
  Phases phases;
  double reduce_hidden_seconds = 0;  ///< Of all-reduce beside backward; `phases.reduce` is what could not be hidden.
  double step_busy_seconds = 0;      ///< Median over the steps, without `wait` and `reduce`: what this rank's own work takes.
  double step_own_seconds = 0;       ///< Without `reduce` alone, in which a rank also waits for the others.
};

/// Of all ranks, and the same on each, but for times, which are this rank's.
struct EpochResult {
  std::uint32_t epoch = 0;
  bool complete = false;             ///< False: stopped before the end-of-epoch mark.
  std::uint64_t steps = 0, images = 0;
  double wall_seconds = 0;
  Phases phases;
  double unaccounted_seconds = 0;    ///< wall - phases.sum().
  double loss = 0;                   ///< Mean over all rows of the epoch.
  double loss_sum = 0;               ///< Before it is divided: sums of parts of an epoch add up to the whole's, to the bit.
  std::uint64_t digest = 0;          ///< Digest::Of::ids of what was trained on.
  double weights_norm = 0;           ///< L2 over all weights, in double.
  double reduce_hidden_seconds = 0;
  bool stop_requested = false;       ///< On any rank, when the epoch ended: all of them go on or stop by this.
  std::vector<RankResult> ranks;     ///< By rank.
  double lr = 0;                     ///< Of the last step.
  std::uint64_t graph_steps = 0;     ///< Of `steps`, those run as a captured graph.
};

/// Of all ranks, and the same on each; each scored its own rows.
struct Evaluation {
  bool stop_requested = false;       ///< On any rank: rows are missing.
  double seconds = 0, loss = 0, accuracy = 0;
  std::uint64_t scored = 0, correct = 0;
  std::vector<std::uint64_t> class_count, class_correct;
};

struct StepBenchmark {
  std::uint64_t steps = 0;
  double seconds = 0, step_seconds = 0, images_per_second = 0; ///< step_seconds: median.
  Phases phases;
  double reduce_hidden_seconds = 0;
};

/// Memory that grows and is used again; page-locked where that makes copies from a GPU faster. Moves, and does not copy.
class StateMemory {
 public:
  StateMemory() = default;
  StateMemory(StateMemory&& other) noexcept { *this = std::move(other); }
  StateMemory& operator=(StateMemory&& other) noexcept;
  ~StateMemory();
  std::byte* reserve(std::size_t bytes, SlotMemory& from);  ///< At least `bytes`; growing loses the contents.

 private:
  SlotMemory* from_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

struct Progress {
  std::uint64_t images = 0;          ///< Of this epoch, so far.
  double mean_loss = 0;
};

/// What a trainer holds at a step boundary, in host memory; the views point into `memory`, which grows and is used again.
/// Names are torch's: "conv1.weight"; "conv1.weight.momentum_buffer", "conv1.weight.exp_avg", and "step" (updates so far).
struct TrainerState {
  std::vector<TensorView> weights;   ///< named_parameters() and named_buffers() of the model.
  std::vector<TensorView> optimizer;
  std::vector<TensorView> own;       ///< Of a rank among several: what it has apart from the others (named_buffers()).
  StateMemory memory;
};

/// What a trainer is in the middle of.
struct Doing {
  const char* what = "rests";        ///< "wait" (for a batch) and the other phases by their names, "evaluate".
  std::uint32_t epoch = 0;           ///< From 1, and
  std::uint64_t step = 0;            ///< the step in it; 0: in no epoch.
  double seconds = 0;                ///< Since it began that.
};

/// Where a part of an epoch begins, so that messages and traces count from the epoch's beginning.
struct PartBegin {
  std::uint32_t epoch = 0;           ///< From 0.
  std::uint64_t steps = 0;           ///< Of this epoch that were taken before.
};

/// One rank: owns a device, a model and an optimiser.
/// Threads: one caller; give each trainer a thread of its own.
/// Errors:  Error(usage) for options, Error(device) for a device, Error(data) passed on from the stream.
class Trainer {
 public:
  virtual ~Trainer() = default;
  virtual std::uint64_t parameters() const = 0;
  virtual std::string device() const = 0;    ///< "cpu (2 threads)", "cuda:0 NVIDIA H200".
  virtual Doing doing() const = 0;           ///< Now; from any thread.
  virtual double learning_rate() const = 0;  ///< The base rate, scaled for the batch; the sleep model has 0.
  /// Trains up to the next end-of-epoch mark or `max_steps`, uploading one batch ahead; `on_progress` is called at most
  /// ten times a second. Ends early, with complete = false, when the stream ends or `stop` is requested.
  virtual EpochResult train_epoch(BatchStream& stream, std::stop_token stop, const std::function<void(const Progress&)>& on_progress,
                                  std::uint64_t max_steps = ~std::uint64_t{0}, PartBegin begin = {}) = 0;
  /// Whether the model refuses to train on a batch of one row: one of its BatchNorms would get one value a channel, which has no variance.
  virtual bool one_row_is_too_few() = 0;
  /// Scores every row of the stream once, in evaluation mode.
  virtual Evaluation evaluate(BatchStream& stream, std::stop_token stop) = 0;
  /// Copies the state into host memory: between calls of train_epoch, whenever. `own_only`: of a rank whose weights equal another's.
  virtual void save(TrainerState& into, bool own_only = false) = 0;
  /// Goes on from a state that `save` gave: the next steps are those that would have followed, to the bit (on the same kind of device; on a
  /// GPU where `deterministic` is set).
  /// Errors: Error(data) that names the first tensor that is missing, unknown or of another type or shape; nothing is changed then.
  virtual void load(const TrainerState& from) = 0;
  /// Steps on resident batches for at least `seconds` after a warm-up: compute alone (leg C).
  virtual StepBenchmark bench_step(std::span<Batch> resident, double seconds, std::stop_token stop) = 0;
  /// Takes batches over and gives them back without a step, for at least `seconds`: on a GPU their way to it (leg T).
  virtual StepBenchmark bench_upload(BatchStream& stream, double seconds, std::stop_token stop) = 0;
};

/// Versions and devices, for provenance.
struct Versions {
  std::string torch, cuda, cudnn, nccl, gpu, driver; ///< Empty where there is none.
};

/// The GPUs that this process sees.
struct Gpus {
  int count = 0;
  std::string why_none;              ///< Why `auto` takes the CPU: no driver, one that is too old, no GPU, one that is too old. Empty: it takes a GPU.
};

/// What the library exports; see train/load.h.
struct Api {
  std::unique_ptr<Trainer> (*make_trainer)(const TrainOptions&);
  SlotMemory& (*page_locked_memory)();       ///< Falls back to pageable memory without a GPU, and its name() says so.
  Versions (*versions)();
  Gpus (*gpus)();
  /// Of the ranks of one process, for one thread each. A rank that lets go of its World has left: waiting for it is an error.
  std::vector<std::shared_ptr<World>> (*local_worlds)(int size, double timeout_seconds);
  std::shared_ptr<World> (*join_world)(const JoinOptions&);      ///< Of ranks in processes; waits until all are there.
};

}  // namespace millrace::train

extern "C" const millrace::train::Api* millrace_train_api();

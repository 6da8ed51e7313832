#include <malloc.h>

#include <algorithm>
#include <optional>

#include "pipeline/cores.h"
#include "pipeline/error.h"
#include "train/device.h"
#include "train/erasing.h"

namespace millrace::train {
namespace {

/// A step allocates and frees megabytes of activations; by default the allocator gives them back to the system each time, and
/// the kernel clears each page anew (seen: a quarter of a LeNet step at batch 256).
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 25);  // The most that glibc takes.
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const TrainOptions& options) : normalise_(options, at::kCPU), threads_(options.threads > 0 ? options.threads : usable_cores()) {
    keep_freed_memory();
  }

  at::Device where() const override { return at::kCPU; }
  std::string name() const override { return "cpu (" + std::to_string(threads_) + (threads_ == 1 ? " thread)" : " threads)"); }
  void enter() override { at::set_num_threads(threads_); } // OpenMP's number is the calling thread's own.
  Meter& meter() override { return meter_; }

  bool uploads_ahead() const override { return false; }
  void upload(Batch batch) override { batch_.emplace(std::move(batch)); }
  void settle_uploads() override {}
  Input receive() override { return resident(*batch_); }
  void release() override { batch_.reset(); }
  Input resident(const Batch& batch) override {
    // Tensors want pointers that may write; nothing here does.
    auto* images = const_cast<std::uint8_t*>(batch.images());
    auto* labels = const_cast<std::int64_t*>(batch.labels().data());
    const Erasures& erasures = batch.erasures();
    const auto values = static_cast<std::int64_t>(erasures.values.size());
    const Input input{normalise_(view_of_rows(images, batch.rows(), batch.format(), at::kCPU)), at::from_blob(labels, {batch.rows()}, at::kLong)};
    erase_boxes(input.images, erasures.boxes, at::from_blob(const_cast<float*>(erasures.values.data()), {values}, at::kFloat));
    return input;
  }
  void synchronize() override {}
  void discard() override { batch_.reset(); }
  void forget_upload() override { batch_.reset(); }

  void reset_loss() override { loss_ = 0; }
  void add_loss(const at::Tensor& sum) override { loss_ += *sum.const_data_ptr<float>(); }
  void ask_for_loss() override {}
  double seen_loss() const override { return loss_; }
  double loss() override { return loss_; }

 private:
  const Normaliser normalise_;
  const int threads_;
  HostMeter meter_;
  std::optional<Batch> batch_;
  double loss_ = 0;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device(const TrainOptions& options) { return std::make_unique<CpuDevice>(options); }

at::Tensor view_of_rows(void* memory, std::int64_t rows, const RowFormat& format, at::Device where) {
  const std::int64_t c = format.channels, h = format.height, w = format.width;
  const auto options = at::TensorOptions().dtype(format.dtype == Dtype::u8 ? at::kByte : at::kFloat).device(where);
  if (format.layout == Layout::nchw || c == 1) return at::from_blob(memory, {rows, c, h, w}, options);
  return at::from_blob(memory, {rows, c, h, w}, {c * h * w, 1, w * c, c}, options);
}

Normaliser::Normaliser(const TrainOptions& options, at::Device where) {
  // On the device: what is divided by a number there is multiplied with its inverse, which differs in the last bit for 126 of 256 levels.
  if (!where.is_cpu()) levels_ = at::full({}, 255.0, at::TensorOptions().dtype(at::kFloat).device(where));
  if (options.mean.empty()) return;
  const auto channels = static_cast<std::int64_t>(options.mean.size());
  mean_ = at::tensor(options.mean, at::kFloat).view({1, channels, 1, 1}).to(where);
  std_ = at::tensor(options.std, at::kFloat).view({1, channels, 1, 1}).to(where);
}

at::Tensor Normaliser::operator()(const at::Tensor& rows) const {
  if (rows.scalar_type() == at::kFloat) return rows;
  at::Tensor x = levels_.defined() ? rows.div(levels_) : rows.to(at::kFloat).div_(255);
  return mean_.defined() ? x.sub_(mean_).div_(std_) : x;
}

}  // namespace millrace::train

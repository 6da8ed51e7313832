#pragma once
#include <memory>
#include <string>

#include "train/api.h"
#include "train/meter.h"
#include "train/torch_headers.h"

namespace millrace::train {

/// One batch where and as the model wants it.
struct Input {
  at::Tensor images; ///< N x C x H x W, float32, normalised.
  at::Tensor labels; ///< N, int64.
};

/// Where a trainer computes, how batches get there, and whose clock counts.
/// Threads: the trainer's; `enter` first, on each call from outside.
/// Errors:  Error(device).
class Device {
 public:
  virtual ~Device() = default;
  virtual at::Device where() const = 0;
  virtual std::string name() const = 0;
  virtual void enter() = 0;                      ///< Makes the calling thread compute here.
  virtual Meter& meter() = 0;

  virtual bool uploads_ahead() const = 0;        ///< Whether a second batch may be uploaded during a step.
  virtual void upload(Batch batch) = 0;          ///< Begins to move a batch; its slot goes home once that is done with.
  virtual void settle_uploads() = 0;             ///< Waits for moves under way, so that their slots are home.
  virtual Input receive() = 0;                   ///< The batch that was uploaded first and not yet received.
  virtual void release() = 0;                    ///< The received batch is no longer needed (after backward).
  virtual Input resident(const Batch& batch) = 0;///< A batch that stays; on the CPU a view: `batch` must outlive it.
  virtual void synchronize() = 0;                ///< Waits for all work, watched (wait_for_device); what blocks by itself comes behind it.
  virtual void discard() = 0;                    ///< Sends home what was uploaded and not received.
  virtual void forget_upload() = 0;              ///< The batch uploaded first and not received will not be; waits for nothing.

  virtual void reset_loss() = 0;
  virtual void add_loss(const at::Tensor& sum) = 0; ///< Adds a scalar; waits for nothing.
  virtual void ask_for_loss() = 0;               ///< Of the total so far; waits for nothing.
  virtual double seen_loss() const = 0;          ///< What was asked for last and has come.
  virtual double loss() = 0;                     ///< The total; waits for the device.
};

std::unique_ptr<Device> make_cpu_device(const TrainOptions& options);

/// Makes Input::images of rows as the loader delivered them: float32 passes through, u8 becomes (v / 255 - mean) / std, in
/// torchvision's order of operations, so that the same pixels give the same bits.
class Normaliser {
 public:
  Normaliser(const TrainOptions& options, at::Device where);
  at::Tensor operator()(const at::Tensor& rows) const;

 private:
  at::Tensor mean_, std_; ///< 1 x C x 1 x 1 on the device, or undefined.
  at::Tensor levels_;     ///< 255, on a GPU.
};

/// `rows` pictures at `memory`, seen as N x C x H x W with the strides of their layout.
at::Tensor view_of_rows(void* memory, std::int64_t rows, const RowFormat& format, at::Device where);

// In device_cuda.cpp, or device_cpu_only.cpp where the build has no GPU code.
int cuda_devices() noexcept;                                                     ///< That this process sees.
std::string why_no_cuda(int index);                                               ///< Why GPU `index` cannot be used; empty: it can.
std::unique_ptr<Device> make_cuda_device(const TrainOptions& options, int index); ///< Errors: Error(device).
SlotMemory& page_locked_memory();
Versions cuda_versions();

}  // namespace millrace::train

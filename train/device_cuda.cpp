// One GPU: page-locked slots, a copy stream with two buffers, and a compute stream, each trainer with its own.
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <ATen/detail/CUDAHooksInterface.h>

#include <array>
#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "pipeline/error.h"
#include "train/collective.h"
#include "train/cuda_meter.h"
#include "train/device.h"
#include "train/erasing.h"
#include "train/gpu_support.h"

namespace millrace::train {
namespace {

/// Where one uploaded batch lies on the device.
struct Landing {
  at::Tensor images, labels;        ///< Bytes, and int64; at least as long as the batch.
  at::Tensor erased;                ///< Values of `boxes`, float32; at least as long.
  std::vector<Erasures::Box> boxes;
  StateMemory staged_labels, staged_erased; ///< Both lie in ordinary memory, from which a copy would wait for its stream.
  c10::cuda::CUDAEvent copied{kBlockingWithoutTiming}, consumed;
  std::optional<Batch> batch;       ///< Until `copied`.
  std::int64_t rows = 0;
  RowFormat format;
};

class CudaDevice final : public Device {
 public:
  CudaDevice(const TrainOptions& options, int index)
      : where_(at::kCUDA, static_cast<c10::DeviceIndex>(index)),
        compute_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, where_.index())),
        copy_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, where_.index())),
        ranks_(collective_of(options)),
        meter_(compute_, ranks_.get()) {
    enter();
    normalise_.emplace(options, where_);
    loss_ = at::zeros({}, at::TensorOptions().dtype(at::kDouble).device(where_));
    seen_loss_ = reinterpret_cast<double*>(seen_loss_memory_.reserve(sizeof(double), page_locked_memory()));
    synchronize();
  }
  ~CudaDevice() override {
    C10_CUDA_IGNORE_ERROR(cudaStreamSynchronize(copy_.stream())); // Slots must not go home, nor buffers, while in use.
    C10_CUDA_IGNORE_ERROR(cudaStreamSynchronize(compute_.stream()));
  }

  at::Device where() const override { return where_; }
  std::string name() const override {
    cudaDeviceProp properties{};
    C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, where_.index()));
    return where_.str() + " " + properties.name;
  }
  void enter() override {
    c10::cuda::set_device(where_.index());
    c10::cuda::setCurrentCUDAStream(compute_);
  }
  Meter& meter() override { return meter_; }

  bool uploads_ahead() const override { return true; }
  void upload(Batch batch) override {
    Landing& landing = landings_[uploaded_ % landings_.size()];
    TORCH_CHECK(uploaded_ - received_ < landings_.size(), "at most ", landings_.size(), " batches are uploaded at once");
    settle(landing);
    prepare(landing, batch);
    if (landing.consumed.isCreated()) landing.consumed.block(copy_);
    copy(landing, batch);
    landing.batch.emplace(std::move(batch));
    ++uploaded_;
    // Send home what has arrived meanwhile.
    for (Landing& other : landings_)
      if (other.batch && other.copied.query()) other.batch.reset();
  }
  void settle_uploads() override {
    for (Landing& landing : landings_) settle(landing);
  }
  Input receive() override {
    TORCH_CHECK(received_ < uploaded_, "no batch was uploaded");
    Landing& landing = landings_[received_ % landings_.size()];
    landing.copied.block(compute_);
    return input_of(landing);
  }
  void release() override { landings_[received_++ % landings_.size()].consumed.record(compute_); }
  void discard() override {
    settle_uploads();
    received_ = uploaded_;
  }
  void forget_upload() override { ++received_; }
  Input resident(const Batch& batch) override {
    Landing landing;
    prepare(landing, batch);
    copy(landing, batch);
    wait_for(landing.copied, ranks_.get());
    // A copy, since `landing` ends here; normalised beforehand, so that a step on it is compute alone.
    Input input = input_of(landing);
    input = {input.images.clone(), input.labels.clone()};
    wait_for(compute_, ranks_.get());
    return input;
  }
  void synchronize() override {
    wait_for(compute_, ranks_.get());
    wait_for(copy_, ranks_.get());
  }

  void reset_loss() override {
    synchronize();
    loss_.zero_();
    *seen_loss_ = 0;
  }
  void add_loss(const at::Tensor& sum) override { loss_.add_(sum); }
  void ask_for_loss() override {
    C10_CUDA_CHECK(cudaMemcpyAsync(seen_loss_, loss_.data_ptr(), sizeof(double), cudaMemcpyDeviceToHost, compute_.stream()));
  }
  double seen_loss() const override { return *static_cast<const volatile double*>(seen_loss_); } // The device writes it, whenever.
  double loss() override {
    synchronize(); // item() alone is not watched, and spins.
    return loss_.cpu().item<double>();  // item() alone would page-lock memory, which may fail.
  }

 private:
  Input input_of(const Landing& landing) const {
    const Input input{(*normalise_)(view_of_rows(landing.images.data_ptr(), landing.rows, landing.format, where_)), landing.labels.narrow(0, 0, landing.rows)};
    erase_boxes(input.images, landing.boxes, landing.erased);
    return input;
  }
  void settle(Landing& landing) {
    if (!landing.batch) return;
    wait_for(landing.copied, ranks_.get());
    landing.batch.reset();
  }
  /// Makes room. Buffers stay for good; only a larger batch than ever replaces them, when nothing uses them any more.
  void prepare(Landing& landing, const Batch& batch) {
    const auto bytes = static_cast<std::int64_t>(batch.image_bytes().size());
    landing.rows = batch.rows();
    landing.format = batch.format();
    landing.boxes = batch.erasures().boxes;
    const auto erased = static_cast<std::int64_t>(batch.erasures().values.size());
    if (!landing.images.defined() || landing.images.numel() < bytes || landing.labels.numel() < landing.rows || landing.erased.numel() < erased) {
      synchronize();
      const auto options = at::TensorOptions().device(where_);
      landing.images = at::empty({bytes}, options.dtype(at::kByte));
      landing.labels = at::empty({landing.rows}, options.dtype(at::kLong));
      landing.erased = at::empty({erased + erased / 2}, options.dtype(at::kFloat)); // How much is drawn varies from batch to batch.
      wait_for(compute_, ranks_.get()); // The allocator hands memory out on the compute stream.
    }
  }
  void copy(Landing& landing, const Batch& batch) {
    const auto images = batch.image_bytes();
    const auto labels = batch.labels();
    void* const staged = landing.staged_labels.reserve(labels.size_bytes(), page_locked_memory());
    std::memcpy(staged, labels.data(), labels.size_bytes());
    C10_CUDA_CHECK(cudaMemcpyAsync(landing.images.data_ptr(), images.data(), images.size(), cudaMemcpyHostToDevice, copy_.stream()));
    C10_CUDA_CHECK(cudaMemcpyAsync(landing.labels.data_ptr(), staged, labels.size_bytes(), cudaMemcpyHostToDevice, copy_.stream()));
    copy_erased(landing, batch.erasures().values);
    landing.copied.record(copy_);
  }
  void copy_erased(Landing& landing, std::span<const float> values) {
    if (values.empty()) return;
    void* const staged = landing.staged_erased.reserve(static_cast<std::size_t>(landing.erased.numel()) * sizeof(float), page_locked_memory());
    std::memcpy(staged, values.data(), values.size_bytes());
    C10_CUDA_CHECK(cudaMemcpyAsync(landing.erased.data_ptr(), staged, values.size_bytes(), cudaMemcpyHostToDevice, copy_.stream()));
  }

  const at::Device where_;
  c10::cuda::CUDAStream compute_, copy_;
  const std::shared_ptr<Collective> ranks_; ///< Null: the only rank.
  CudaMeter meter_;
  std::optional<Normaliser> normalise_;
  std::array<Landing, 2> landings_; ///< One in the step, one in upload.
  std::size_t uploaded_ = 0, received_ = 0;
  at::Tensor loss_;
  StateMemory seen_loss_memory_;
  double* seen_loss_ = nullptr; ///< In it.
};

/// While it lives, the calling thread's device is one that this process uses. Page-locking belongs to no device, but takes place on the current
/// one, and would make a context of half a gigabyte on it: on GPU 0, where the caller is no trainer.
class OnUsedDevice {
 public:
  OnUsedDevice() {
    if (cuda_devices() == 0) return;
    if (const auto used = c10::cuda::getDeviceIndexWithPrimaryContext()) guard_.reset_device(at::Device(at::kCUDA, *used));
  }

 private:
  c10::OptionalDeviceGuard guard_;
};

/// Slots' memory for a GPU. Where page-locking fails, what it would have served becomes pageable, and the name says so.
class PageLockedMemory final : public SlotMemory {
 public:
  void* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    const OnUsedDevice here;
    if (cuda_devices() > 0 && cudaHostAlloc(&memory, bytes, cudaHostAllocPortable) == cudaSuccess) return memory;
    static_cast<void>(cudaGetLastError());
    memory = plain_slot_memory().allocate(bytes);
    std::lock_guard lock(mutex_);
    pageable_.insert(memory);
    fell_back_ = true;
    return memory;
  }
  void release(void* memory, std::size_t bytes) noexcept override {
    {
      std::lock_guard lock(mutex_);
      if (pageable_.erase(memory) == 0) {
        const OnUsedDevice here;
        C10_CUDA_IGNORE_ERROR(cudaFreeHost(memory));
        return;
      }
    }
    plain_slot_memory().release(memory, bytes);
  }
  const char* name() const override {
    if (cuda_devices() == 0) return "pageable (no GPU)";
    std::lock_guard lock(mutex_);
    return fell_back_ ? "pageable (page-locking failed)" : "page-locked";
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_set<void*> pageable_;
  bool fell_back_ = false;
};

/// "580.65.06"; empty where it cannot be read.
std::string kernel_module_version() {
  std::ifstream file("/proc/driver/nvidia/version");
  for (std::string word; file >> word;)
    if (word.find('.') != std::string::npos && word.find_first_not_of("0123456789.") == std::string::npos) return word;
  return {};
}

/// The kernel module's version; where it cannot be read, the newest CUDA that the driver knows.
std::string driver_version() {
  if (const std::string version = kernel_module_version(); !version.empty()) return version;
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess || version == 0) return {};
  return "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string dotted(long version, long major_unit, long minor_unit) {
  return std::to_string(version / major_unit) + "." + std::to_string(version % major_unit / minor_unit) + "." + std::to_string(version % minor_unit);
}

}  // namespace

int cuda_devices() noexcept { return c10::cuda::device_count(); }

std::string why_no_cuda(int index) {
  GpuFacts facts;
  facts.error = cudaGetDeviceCount(&facts.count);
  if (facts.error != cudaSuccess) {
    facts.error_text = cudaGetErrorString(static_cast<cudaError_t>(facts.error));
    facts.count = 0;
    static_cast<void>(cudaGetLastError());
  }
  if (cudaDriverGetVersion(&facts.driver_cuda) != cudaSuccess) facts.driver_cuda = 0;
  facts.runtime_cuda = CUDART_VERSION;
  facts.driver = kernel_module_version();
  if (std::string why = why_no_gpu(facts); !why.empty()) return why;
  if (index >= facts.count) return "this process sees " + std::to_string(facts.count) + (facts.count == 1 ? " GPU" : " GPUs") + ", numbered from 0";
  cudaDeviceProp properties{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
  return why_too_old(index, properties.name, properties.major, properties.minor);
}

std::unique_ptr<Device> make_cuda_device(const TrainOptions& options, int index) {
  if (const std::string why = why_no_cuda(index); !why.empty())
    throw Error(ErrorKind::device, "train.device cuda:" + std::to_string(index) + ": " + why,
                cuda_devices() ? "see CUDA_VISIBLE_DEVICES, or use device = \"cpu\"" : "use device = \"cpu\" or \"auto\"; a GPU needs NVIDIA's driver");
  return std::make_unique<CudaDevice>(options, index);
}

SlotMemory& page_locked_memory() {
  static PageLockedMemory memory;
  return memory;
}

Versions cuda_versions() {
  Versions v;
  int runtime = 0, nccl = 0;
  if (cudaRuntimeGetVersion(&runtime) == cudaSuccess) v.cuda = std::to_string(runtime / 1000) + "." + std::to_string(runtime % 1000 / 10);
  if (ncclGetVersion(&nccl) == ncclSuccess) v.nccl = dotted(nccl, 10000, 100);
  v.cudnn = dotted(at::detail::getCUDAHooks().versionCuDNN(), 10000, 100);
  if (cuda_devices() > 0) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, 0) == cudaSuccess) v.gpu = properties.name;
    v.driver = driver_version();
  }
  return v;
}

}  // namespace millrace::train

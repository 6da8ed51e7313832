#include "train/local_collective.h"

#include "pipeline/error.h"
#include "train/device.h"
#include "train/device_wait.h"
#include "train/local_group.h"

namespace millrace::train {
namespace {

std::span<std::byte> bytes_of(const at::Tensor& values) {
  return {static_cast<std::byte*>(values.data_ptr()), static_cast<std::size_t>(values.nbytes())};
}

void require_host(const at::Tensor& values) {
  TORCH_CHECK(values.is_cpu() && values.is_contiguous(), "local collectives take dense tensors on the host");
}

class LocalCollective final : public Collective {
 public:
  LocalCollective(std::shared_ptr<LocalGroup> group, std::shared_ptr<LocalCollective> second, int rank)
      : group_(std::move(group)), second_(std::move(second)), rank_(rank) {}
  ~LocalCollective() override { group_->leave(rank_); }

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  std::string name() const override { return "local"; }
  std::vector<std::string> all_gather(const std::string& words) override { return group_->all_gather(rank_, words); }
  void barrier() override { group_->barrier(rank_); }
  void abort(const std::string& cause) noexcept override {
    group_->abort(cause);
    if (second_) second_->abort(cause);
  }

  bool on_gpu() const override { return false; }
  void check(double waited_seconds) override { group_->check(rank_, waited_seconds); }
  void all_reduce_sum(at::Tensor values) override {
    require_host(values);
    const auto count = static_cast<std::size_t>(values.numel());
    if (values.scalar_type() == at::kDouble)
      group_->all_reduce_sum(rank_, std::span(values.data_ptr<double>(), count));
    else
      group_->all_reduce_sum(rank_, std::span(values.data_ptr<float>(), count));
  }
  void broadcast(at::Tensor values, int root) override {
    require_host(values);
    group_->broadcast(rank_, bytes_of(values), root);
  }
  std::shared_ptr<Collective> second() override { return second_; }

 private:
  const std::shared_ptr<LocalGroup> group_;
  const std::shared_ptr<LocalCollective> second_;
  const int rank_;
};

}  // namespace

std::vector<std::shared_ptr<Collective>> make_local_collectives(int size, double timeout_seconds) {
  if (size < 1 || size > 4096) throw Error(ErrorKind::usage, "train.ranks = " + std::to_string(size) + " is out of range", "1 to 4096");
  if (!(timeout_seconds > 0 && timeout_seconds <= 1e6))
    throw Error(ErrorKind::usage, "a time-out of " + std::to_string(timeout_seconds) + " s is out of range", "above 0, up to 1,000,000");
  const auto first = std::make_shared<LocalGroup>(size, timeout_seconds), second = std::make_shared<LocalGroup>(size, timeout_seconds);
  std::vector<std::shared_ptr<Collective>> ranks;
  for (int rank = 0; rank < size; ++rank)
    ranks.push_back(std::make_shared<LocalCollective>(first, std::make_shared<LocalCollective>(second, nullptr, rank), rank));
  return ranks;
}

template <class Work>
void Staging::through(Collective& ranks, const at::Tensor& values, Work&& work) {
  if (values.is_cpu() || ranks.on_gpu()) return work(values);
  const at::Tensor on_host = at::from_blob(host_.reserve(values.nbytes(), page_locked_memory()), values.sizes(), values.options().device(at::kCPU));
  on_host.copy_(values, /*non_blocking=*/true); // Behind whoever made the values, and behind the buffer's last use: it is one stream's.
  wait_for_current_stream(&ranks, values.device());
  work(on_host);
  values.copy_(on_host, /*non_blocking=*/true);
}

void Staging::all_reduce_sum(Collective& ranks, const at::Tensor& values) {
  through(ranks, values, [&](const at::Tensor& v) { ranks.all_reduce_sum(v); });
}

void Staging::all_gather_into(Collective& ranks, const at::Tensor& all, const at::Tensor& values) {
  if (values.is_cpu() || ranks.on_gpu()) return ranks.all_gather_into(all, values);
  all.zero_();
  all.select(0, ranks.rank()).copy_(values);
  all_reduce_sum(ranks, all);
}

void Staging::broadcast(Collective& ranks, const at::Tensor& values, int root) {
  through(ranks, values, [&](const at::Tensor& v) { ranks.broadcast(v, root); });
}

}  // namespace millrace::train

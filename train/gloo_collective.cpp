// Ranks as processes on CPUs: c10d's ProcessGroupGloo, with the symbols of LibTorch's own Gloo. Debian's headers are of another
// version of Gloo than those: what crosses here is pointers to its classes, never their insides.
#define USE_C10D_GLOO
#include "train/gloo_collective.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <atomic>
#include <cstring>

#include "train/rendezvous.h"

namespace millrace::train {
namespace {

using Group = c10::intrusive_ptr<c10d::ProcessGroupGloo>;

Group connect(const Rendezvous& met, const JoinOptions& o, const std::string& way) {
  const std::string late = "ranks have met, but could not all connect to one another in time (rank " + std::to_string(o.rank) + " is at " + met.address +
                           "): GLOO_SOCKET_IFNAME names the interface of each host that leads to the others";
  auto make = [store = met.store, address = met.address, way, rank = o.rank, size = o.size, seconds = o.timeout_seconds] {
    // The lifeline judges who is late; Gloo's own time-out comes after it, and names nobody.
    auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::milliseconds(static_cast<long>(2000 * seconds) + 10'000));
    options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(address, /*lazyInit=*/false)};
    options->threads = 1;
    return c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>(way, store), rank, size, options);
  };
  return communicating([&] { return within(o.timeout_seconds, met.lifeline.get(), late, make); });
}

class GlooCollective final : public Collective {
 public:
  GlooCollective(Rendezvous met, JoinOptions options, const std::string& way)
      : met_(std::move(met)), options_(std::move(options)), first_(way == "first"), group_(connect(met_, options_, way)) {}
  ~GlooCollective() override {
    if (first_) met_.lifeline->leave(); // Before connections close, which a rank in its last call would take for a failure.
    if (met_.lifeline->failed()) leave_behind();
  }

  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }
  std::string name() const override { return "gloo"; }
  bool on_gpu() const override { return false; }

  void all_reduce_sum(at::Tensor values) override {
    std::vector<at::Tensor> tensors{std::move(values)};
    call("all-reduce", [&] { return group_->allreduce(tensors); });
  }
  void broadcast(at::Tensor values, int root) override {
    std::vector<at::Tensor> tensors{std::move(values)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    call("broadcast", [&] { return group_->broadcast(tensors, options); });
  }
  void barrier() override {
    call("barrier", [&] { return group_->barrier(); });
  }
  std::vector<std::string> all_gather(const std::string& words) override {
    const std::vector<at::Tensor> lengths = gather(at::full({1}, static_cast<std::int64_t>(words.size()), at::kLong));
    std::int64_t longest = 1;
    for (const at::Tensor& length : lengths) longest = std::max(longest, length.item<std::int64_t>());
    at::Tensor own = at::zeros({longest}, at::kByte);
    std::memcpy(own.mutable_data_ptr(), words.data(), words.size());
    const std::vector<at::Tensor> all = gather(own);
    std::vector<std::string> out;
    for (std::size_t r = 0; r < all.size(); ++r)
      out.emplace_back(static_cast<const char*>(all[r].const_data_ptr()), static_cast<std::size_t>(lengths[r].item<std::int64_t>()));
    return out;
  }
  void abort(const std::string& cause) noexcept override { met_.lifeline->abort(cause); }
  std::shared_ptr<Collective> second() override {
    if (first_ && !second_) second_ = std::make_shared<GlooCollective>(met_, options_, "second");
    return second_;
  }
  void check(double waited_seconds) override { check_wait(*met_.lifeline, waited_seconds, options_.timeout_seconds); }
  Lifeline& lifeline() { return *met_.lifeline; }

 private:
  std::vector<at::Tensor> gather(at::Tensor own) {
    std::vector<at::Tensor> inputs{own};
    std::vector<std::vector<at::Tensor>> outputs(1);
    for (int r = 0; r < options_.size; ++r) outputs[0].push_back(at::empty_like(own));
    call("all-gather", [&] { return group_->allgather(outputs, inputs); });
    return outputs[0];
  }

  /// Gloo's thread does the work; this one waits for it or for the lifeline's verdict, whichever comes first.
  template <class Start>
  void call(const char* what, Start&& start) {
    met_.lifeline->begin_call();
    std::string reason;
    try {
      const auto work = start();
      const auto done = std::make_shared<std::atomic<bool>>(false);
      work->getFuture()->addCallback([done, lifeline = met_.lifeline](c10::ivalue::Future&) {
        *done = true;
        lifeline->wake();
      });
      met_.lifeline->wait([&] { return done->load(); });
      work->wait();
      return;
    } catch (const Error&) {
      leave_behind();
      throw;
    } catch (const std::exception& e) {
      reason = e.what();
    }
    leave_behind();
    // Gloo has seen a connection close; the lifeline knows whose it was, a moment later: at most seconds, on a host whose cores are all taken.
    met_.lifeline->expect_failure(std::chrono::seconds(5));
    met_.lifeline->abort(std::string(what) + ": " + reason.substr(0, reason.find('\n')));
    met_.lifeline->expect_failure({});
  }
  /// A broken group waits in its destructor for its thread, which may wait for a peer that is gone: the process ends without it.
  void leave_behind() noexcept { (void)group_.release(); }

  Rendezvous met_;
  const JoinOptions options_;
  const bool first_;
  Group group_;
  std::shared_ptr<Collective> second_;
};

}  // namespace

std::shared_ptr<Collective> join_gloo(const JoinOptions& options) {
  return std::make_shared<GlooCollective>(meet(options), options, "first");
}

void check_wait(Lifeline& lifeline, double waited_seconds, double timeout_seconds) {
  if (waited_seconds > timeout_seconds)
    lifeline.give_up("its device has not done its work for " + seconds_text(timeout_seconds) + ": a GPU, or the link between GPUs, hangs (NCCL_DEBUG=WARN may tell which)");
  if (lifeline.failed()) lifeline.expect_failure({});
}

Lifeline& lifeline_of(Collective& gloo) { return dynamic_cast<GlooCollective&>(gloo).lifeline(); }

}  // namespace millrace::train

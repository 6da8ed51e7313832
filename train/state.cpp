#include "train/state.h"

#include <cstring>
#include <map>

#include "pipeline/error.h"
#include "train/device.h"

namespace millrace::train {
namespace {

TensorType type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat: return TensorType::f32;
    case at::kDouble: return TensorType::f64;
    case at::kHalf: return TensorType::f16;
    case at::kBFloat16: return TensorType::bf16;
    case at::kLong: return TensorType::i64;
    case at::kInt: return TensorType::i32;
    case at::kBool: return TensorType::boolean;
    case at::kByte: return TensorType::u8;
    default: break;
  }
  throw Error(ErrorKind::internal, std::string("a state of type ") + c10::toString(tensor.scalar_type()) + " has no place in a file");
}

std::vector<std::uint64_t> shape_of(const at::Tensor& tensor) { return {tensor.sizes().begin(), tensor.sizes().end()}; }

/// The same kind of tensor, over host memory.
at::Tensor host_view(std::byte* memory, const at::Tensor& like) {
  return at::from_blob(memory, like.sizes(), like.options().device(at::kCPU).requires_grad(false));
}

std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Hands out the memory of a state, copying tensors into it.
class Copier {
 public:
  explicit Copier(std::byte* memory) : next_(memory) {}
  std::byte* copy(const at::Tensor& tensor) {
    std::byte* const at = next_;
    host_view(at, tensor).copy_(tensor);
    next_ += rounded(tensor.nbytes());
    return at;
  }

 private:
  std::byte* next_;
};

TensorView view(std::string name, const at::Tensor& tensor, const std::byte* memory) {
  return {std::move(name), type_of(tensor), shape_of(tensor), {memory, tensor.nbytes()}};
}

/// Views of each parameter's part of a flat buffer at `memory`.
void add_parameters(std::vector<TensorView>& out, const std::vector<std::string>& names, const FlatParameters& weights, const std::byte* memory,
                    const std::string& suffix) {
  for (std::size_t i = 0; i < names.size(); ++i)
    out.push_back(view(names[i] + suffix, weights.parameters()[i], memory + weights.offset(i) * static_cast<std::int64_t>(sizeof(float))));
}

std::vector<std::string> parameter_names(const Net& net) { return net.named_parameters().keys(); }

/// Finds each tensor once; what is left over is one too many.
class Finder {
 public:
  explicit Finder(const std::vector<TensorView>& views) {
    for (const TensorView& v : views) views_.emplace(v.name, &v);
  }
  const TensorView& take(const std::string& name, TensorType type, const std::vector<std::uint64_t>& shape) {
    const auto it = views_.find(name);
    if (it == views_.end()) throw Error(ErrorKind::data, "tensor " + name + " is missing");
    const TensorView& found = *it->second;
    if (found.type != type || found.shape != shape)
      throw Error(ErrorKind::data, "tensor " + name + " is " + text(found.type, found.shape) + ", but " + text(type, shape) + " here");
    views_.erase(it);
    return found;
  }
  void finish() const {
    if (!views_.empty()) throw Error(ErrorKind::data, "tensor " + views_.begin()->first + " is unknown here");
  }

 private:
  static std::string text(TensorType type, const std::vector<std::uint64_t>& shape) {
    std::string out(name_of(type));
    out += " [";
    for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
    return out + "]";
  }
  std::map<std::string, const TensorView*> views_;
};

}  // namespace

void save_state(TrainerState& into, const Net& net, const FlatParameters& weights, const Optimizer& optimizer, const SaveOptions& options) {
  at::NoGradGuard no_grad;
  const auto buffers = net.named_buffers();
  const auto memories = optimizer.memories();
  const at::Tensor flat = weights.weights();
  std::size_t bytes = options.own_only ? 0 : (1 + memories.size()) * rounded(flat.nbytes()) + 64;
  for (const auto& buffer : buffers) bytes += rounded(buffer.value().nbytes());
  SlotMemory& kind = flat.device().is_cpu() ? plain_slot_memory() : page_locked_memory();
  Copier copier(into.memory.reserve(std::max<std::size_t>(bytes, 64), kind));
  into.weights.clear(), into.optimizer.clear(), into.own.clear();
  for (const auto& buffer : buffers) {
    const TensorView copy = view(buffer.key(), buffer.value(), copier.copy(buffer.value()));
    if (!options.own_only) into.weights.push_back(copy);
    if (options.among_ranks) into.own.push_back(copy);
  }
  if (options.own_only) return;
  const std::vector<std::string> names = parameter_names(net);
  add_parameters(into.weights, names, weights, copier.copy(flat), "");
  for (const auto& [name, tensor] : memories) add_parameters(into.optimizer, names, weights, copier.copy(tensor), std::string(".") + name);
  const at::Tensor step = at::scalar_tensor(optimizer.taken(), at::kLong);
  into.optimizer.push_back(view("step", step, copier.copy(step)));
}

void load_state(const TrainerState& from, Net& net, FlatParameters& weights, Optimizer& optimizer) {
  at::NoGradGuard no_grad;
  std::vector<std::pair<at::Tensor, const TensorView*>> copies;
  Finder weight_views(from.weights), optimizer_views(from.optimizer), own_views(from.own);
  const auto plan = [&](Finder& finder, const std::string& name, const at::Tensor& target) {
    copies.emplace_back(target, &finder.take(name, type_of(target), shape_of(target)));
  };
  const std::vector<std::string> names = parameter_names(net);
  for (std::size_t i = 0; i < names.size(); ++i) plan(weight_views, names[i], weights.parameters()[i].detach());
  for (const auto& buffer : net.named_buffers()) {
    plan(weight_views, buffer.key(), buffer.value());
    if (!from.own.empty()) plan(own_views, buffer.key(), buffer.value());
  }
  for (const auto& [memory, flat] : optimizer.memories())
    for (std::size_t i = 0; i < names.size(); ++i) {
      const at::Tensor& parameter = weights.parameters()[i];
      plan(optimizer_views, names[i] + "." + memory, flat.narrow(0, weights.offset(i), parameter.numel()).view(parameter.sizes()));
    }
  const TensorView& step = optimizer_views.take("step", TensorType::i64, {});
  weight_views.finish(), optimizer_views.finish(), own_views.finish();
  for (auto& [target, source] : copies) target.copy_(host_view(const_cast<std::byte*>(source->bytes.data()), target));
  std::int64_t updates = 0;
  std::memcpy(&updates, step.bytes.data(), sizeof updates);
  optimizer.set_taken(updates);
}

}  // namespace millrace::train

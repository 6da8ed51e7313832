#include "train/weights.h"

#include <set>

#include "pipeline/error.h"
#include "train/safetensors.h"

namespace millrace::train {
namespace {

std::string shape_text(at::IntArrayRef sizes) {
  std::string text = "[";
  for (std::size_t i = 0; i < sizes.size(); ++i) text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + "]";
}

at::ScalarType scalar_type(TensorType type, const std::string& where) {
  switch (type) {
    case TensorType::f16: return at::kHalf;
    case TensorType::bf16: return at::kBFloat16;
    case TensorType::f32: return at::kFloat;
    case TensorType::f64: return at::kDouble;
    case TensorType::i64: return at::kLong;
    default: break;
  }
  throw Error(ErrorKind::data, where + " has type " + std::string(name_of(type)), "weights are F16, BF16, F32 or F64");
}

void fill(at::Tensor into, const SafetensorsFile& file, const TensorEntry& entry, const std::string& where) {
  const std::vector<std::int64_t> sizes(entry.shape.begin(), entry.shape.end());
  if (into.sizes() != at::IntArrayRef(sizes))
    throw Error(ErrorKind::data, where + " is " + shape_text(sizes) + ", the model's is " + shape_text(into.sizes()),
                "fresh_head = true keeps the model's own classifier");
  const at::Tensor values = at::empty(sizes, at::TensorOptions().dtype(scalar_type(entry.type, where)));
  file.read(entry, {static_cast<std::byte*>(values.data_ptr()), static_cast<std::size_t>(entry.bytes)});
  into.copy_(values);
}

}  // namespace

void load_weights(torch::nn::Module& net, const std::string& path, bool fresh_head) {
  at::NoGradGuard no_grad;
  const SafetensorsFile file(path);
  const auto parameters = net.named_parameters();
  const std::string& last = parameters.items().back().key();
  const std::string head = fresh_head ? last.substr(0, last.rfind('.') + 1) : "";
  std::set<std::string> known;
  const auto take = [&](const std::string& name, const at::Tensor& into) {
    known.insert(name);
    if (!head.empty() && name.starts_with(head)) return;
    const TensorEntry* entry = file.find(name);
    if (entry) return fill(into, file, *entry, path + ": " + name);
    if (!name.ends_with("num_batches_tracked"))
      throw Error(ErrorKind::data, path + ": there is no tensor " + name, "the file must hold this model under torch's, timm's or torchvision's names");
  };
  for (const auto& item : parameters) take(item.key(), item.value());
  for (const auto& item : net.named_buffers()) take(item.key(), item.value());
  for (const TensorEntry& entry : file.tensors())
    if (!known.contains(entry.name))
      throw Error(ErrorKind::usage, path + ": the model has no tensor " + entry.name, "are these another model's weights?");
}

}  // namespace millrace::train

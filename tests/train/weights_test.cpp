#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/train/trainer_fixture.h"
#include "train/safetensors.h"

namespace millrace::testing {
namespace {

/// A file of LeNet's weights under torch's names, each value its index.
class LeNetFile {
 public:
  LeNetFile() : path((std::filesystem::temp_directory_path() / ("millrace_weights_" + std::to_string(::getpid()))).string()) {
    const std::pair<const char*, std::vector<std::uint64_t>> shapes[] = {
        {"conv1.weight", {6, 1, 5, 5}}, {"conv1.bias", {6}},   {"conv2.weight", {16, 6, 5, 5}}, {"conv2.bias", {16}}, {"fc1.weight", {120, 256}},
        {"fc1.bias", {120}},            {"fc2.weight", {84, 120}}, {"fc2.bias", {84}},          {"fc3.weight", {10, 84}}, {"fc3.bias", {10}}};
    for (const auto& [name, shape] : shapes) {
      std::size_t count = 1;
      for (const std::uint64_t n : shape) count *= n;
      std::vector<float>& values = values_of.emplace_back(count);
      for (float& v : values) v = 0.001f * static_cast<float>(next_++ % 1000);
      tensors.push_back({name, train::TensorType::f32, shape, std::as_bytes(std::span(values))});
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  ~LeNetFile() { std::filesystem::remove(path); }
  train::TrainOptions written() const {
    train::write_safetensors(tensors, {}, path);
    train::TrainOptions options = options_for("lenet");
    options.weights = path;
    return options;
  }

  const std::string path;
  std::vector<std::vector<float>> values_of;
  std::vector<train::TensorView> tensors;
  std::vector<float> all;

 private:
  std::size_t next_ = 0;
};

TEST(Weights, ComeFromAFileByName) {
  const LeNetFile file;
  EXPECT_EQ(weights_of(*make(file.written())), file.all);
}

TEST(Weights, AFreshHeadKeepsWhatWasDrawn) {
  LeNetFile file;
  std::erase_if(file.tensors, [](const auto& t) { return t.name.starts_with("fc3"); });
  train::TrainOptions options = file.written();
  options.fresh_head = true;
  const std::vector<float> loaded = weights_of(*make(options));
  options.weights.clear();
  const std::vector<float> drawn = weights_of(*make(options));
  const std::size_t head = loaded.size() - 850;
  for (std::size_t i = 0; i < loaded.size(); ++i) ASSERT_EQ(loaded[i], i < head ? file.all[i] : drawn[i]) << i;
}

TEST(Weights, WhatDoesNotFitIsNamed) {
  std::string message;
  {
    LeNetFile file;
    std::erase_if(file.tensors, [](const auto& t) { return t.name == "fc2.bias"; });
    EXPECT_EQ(error_of([&] { make(file.written()); }, &message), ErrorKind::data);
    EXPECT_NE(message.find("fc2.bias"), std::string::npos) << message;
  }
  {
    LeNetFile file;
    file.tensors[9].name = "fc3.other";
    EXPECT_EQ(error_of([&] { make(file.written()); }), ErrorKind::data);
  }
  {
    LeNetFile file;
    file.tensors[0].shape = {6, 25};
    message.clear();
    EXPECT_EQ(error_of([&] { make(file.written()); }, &message), ErrorKind::data);
    EXPECT_NE(message.find("[6, 25]"), std::string::npos) << message;
  }
  {
    LeNetFile file;
    const std::vector<float> more(3);
    file.tensors.push_back({"fc4.bias", train::TensorType::f32, {3}, std::as_bytes(std::span(more))});
    message.clear();
    EXPECT_EQ(error_of([&] { make(file.written()); }, &message), ErrorKind::usage);
    EXPECT_NE(message.find("fc4.bias"), std::string::npos) << message;
  }
  train::TrainOptions missing = options_for("lenet");
  missing.weights = "/nowhere/at/all.safetensors";
  EXPECT_EQ(error_of([&] { make(missing); }), ErrorKind::data);
}

}  // namespace
}  // namespace millrace::testing

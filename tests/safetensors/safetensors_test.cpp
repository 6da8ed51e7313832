#include "train/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "pipeline/error.h"

namespace millrace::train {
namespace {

namespace fs = std::filesystem;

class Safetensors : public testing::Test {
 protected:
  Safetensors() : folder_(fs::temp_directory_path() / ("millrace_tensors_" + std::to_string(getpid()) + "_" +
                                                       testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder_);
  }
  ~Safetensors() override { fs::remove_all(folder_); }

  std::string path(const char* name = "a.safetensors") const { return (folder_ / name).string(); }
  std::string bytes(const std::string& file) const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& all) { std::ofstream(path(), std::ios::binary) << all; }
  /// A file of this header and `elements` bytes of zeros.
  void put(const std::string& header, std::size_t elements) {
    const std::uint64_t length = header.size();
    put(std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(elements, '\0'));
  }
  /// What opening the file says; empty where it opens.
  std::string complaint() {
    try {
      SafetensorsFile file(path());
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::data);
      EXPECT_TRUE(std::string(e.what()).starts_with(path() + ": ")) << e.what();
      return e.what();
    }
    return "";
  }
  bool refused(const std::string& header, std::size_t elements, const std::string& because) {
    put(header, elements);
    const std::string text = complaint();
    EXPECT_NE(text.find(because), std::string::npos) << "said: '" << text << "' of " << header;
    return !text.empty();
  }

  template <class T>
  static TensorView view(const char* name, TensorType type, std::vector<std::uint64_t> shape, const std::vector<T>& values) {
    return {name, type, std::move(shape), std::as_bytes(std::span(values))};
  }
  template <class T>
  static std::vector<T> read(const SafetensorsFile& file, const char* name) {
    const TensorEntry* t = file.find(name);
    if (!t) return {};
    std::vector<T> out(t->bytes / sizeof(T));
    file.read(*t, std::as_writable_bytes(std::span(out)));
    return out;
  }

  fs::path folder_;
};

const std::string kOne = R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";

TEST_F(Safetensors, WhatIsWrittenIsRead) {
  const std::vector<float> weight{1, 2, 3, 4, 5, 6}, scalar{7};
  const std::vector<std::int64_t> counts{-1, 1ll << 40};
  const std::vector<std::uint8_t> odd{1, 2, 3}, none;
  const std::vector<TensorView> tensors{view("odd", TensorType::u8, {3}, odd), view("fc.weight", TensorType::f32, {2, 3}, weight),
                                        view("step", TensorType::f32, {}, scalar), view("counts", TensorType::i64, {2}, counts),
                                        view("empty", TensorType::f16, {0, 5}, none)};
  write_safetensors(tensors, {{"epoch", "3"}, {"quote\"\n", "\u00e4"}}, path());
  const SafetensorsFile file(path());
  EXPECT_EQ(read<float>(file, "fc.weight"), weight);
  EXPECT_EQ(read<float>(file, "step"), scalar);
  EXPECT_EQ(read<std::int64_t>(file, "counts"), counts);
  EXPECT_EQ(read<std::uint8_t>(file, "odd"), odd);
  EXPECT_EQ(file.find("fc.weight")->shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_TRUE(file.find("step")->shape.empty());
  EXPECT_EQ(file.find("empty")->bytes, 0u);
  EXPECT_EQ(file.find("nothing"), nullptr);
  EXPECT_EQ(file.metadata(), (Metadata{{"epoch", "3"}, {"quote\"\n", "\u00e4"}}));
  EXPECT_EQ(file.find("counts")->offset_bytes % 8, 0u);
}

TEST_F(Safetensors, AFileOfNoTensorsIsAFile) {
  write_safetensors({}, {}, path());
  EXPECT_TRUE(SafetensorsFile(path()).tensors().empty());
}

TEST_F(Safetensors, AHeaderMayHaveSpacesKeysInAnyOrderAndEscapes) {
  put(" ", 0);
  EXPECT_NE(complaint(), "");
  put("{ \"\\u00e4\\ud83d\\ude00\\n\" : { \"data_offsets\" : [ 0 , 1 ] ,\t\"shape\":[ ],\r\n\"dtype\":\"I8\" } }   ", 1);
  ASSERT_EQ(complaint(), "");
  EXPECT_EQ(SafetensorsFile(path()).tensors()[0].name, "\u00e4\U0001F600\n");
}

TEST_F(Safetensors, EveryTypeOfTheFormatHasItsSize) {
  for (const auto& [name, size] : std::initializer_list<std::pair<std::string, std::size_t>>{
           {"BOOL", 1}, {"U8", 1}, {"I8", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2}, {"BF16", 2}, {"U32", 4},
           {"I32", 4}, {"F32", 4}, {"U64", 8}, {"I64", 8}, {"F64", 8}}) {
    put("{\"a\":{\"dtype\":\"" + name + "\",\"shape\":[3],\"data_offsets\":[0," + std::to_string(3 * size) + "]}}", 3 * size);
    ASSERT_EQ(complaint(), "") << name;
    EXPECT_EQ(name_of(SafetensorsFile(path()).tensors()[0].type), name);
  }
}

TEST_F(Safetensors, OffsetsThatDoNotTileTheElementsAreRefused) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[)" + a + R"(]},"b":{"dtype":"U8","shape":[4],"data_offsets":[)" + b + "]}}";
  };
  put(two("4,8", "0,4"), 8);
  EXPECT_EQ(complaint(), "");
  EXPECT_TRUE(refused(two("0,4", "2,6"), 8, "'b' begins at 2 where the one before it ends at 4"));
  EXPECT_TRUE(refused(two("0,4", "0,4"), 8, "begins at 0 where the one before it ends at 4"));
  EXPECT_TRUE(refused(two("0,4", "5,9"), 9, "begins at 5"));
  EXPECT_TRUE(refused(two("0,4", "4,8"), 7, "the file has 7 bytes of elements"));
  EXPECT_TRUE(refused(two("0,4", "4,8"), 9, "the tensors end at 8, but the file has 9"));
  EXPECT_TRUE(refused(two("4,0", "4,8"), 8, "are not the 4 bytes"));
  EXPECT_TRUE(refused(two("18446744073709551612,18446744073709551616", "4,8"), 8, "a number is too large"));
  EXPECT_TRUE(refused(two("18446744073709551611,18446744073709551615", "0,4"), 4, "begins at 18446744073709551611"));
}

TEST_F(Safetensors, ShapesThatOverflowAreRefused) {
  const auto shape = [](const std::string& text) { return R"({"a":{"dtype":"F32","shape":[)" + text + R"(],"data_offsets":[0,0]}})"; };
  put(shape("0,18446744073709551615,18446744073709551615"), 0);
  EXPECT_EQ(complaint(), "");
  EXPECT_TRUE(refused(shape("18446744073709551615,2"), 0, "the shape is too large"));
  EXPECT_TRUE(refused(shape("4611686018427387904"), 0, "the shape is too large"));
  EXPECT_TRUE(refused(shape("-1"), 0, "a whole number is missing"));
  EXPECT_TRUE(refused(shape("01"), 0, "begins with 0"));
  EXPECT_TRUE(refused(shape("1.0"), 0, "']' is missing"));
  EXPECT_TRUE(refused(shape(std::string("1") + std::string(200, ',')), 0, "a whole number is missing"));
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_TRUE(refused(shape(many), 4, "more than 64 numbers"));
}

TEST_F(Safetensors, NamesTwiceUnknownTypesAndOtherKeysAreRefused) {
  const std::string body = R"({"dtype":"U8","shape":[],"data_offsets":[0,1]})";
  EXPECT_TRUE(refused("{\"a\":" + body + ",\"a\":" + body + "}", 1, "'a' stands here twice"));
  EXPECT_TRUE(refused(R"({"a":{"dtype":"F4","shape":[],"data_offsets":[0,1]}})", 1, "dtype 'F4' is not known"));
  EXPECT_TRUE(refused(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1}})", 1, "key 'x' is unknown"));
  EXPECT_TRUE(refused(R"({"a":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1, "key 'dtype'"));
  EXPECT_TRUE(refused(R"({"a":{"dtype":"U8","shape":[]}})", 1, "needs dtype, shape and two data_offsets"));
  EXPECT_TRUE(refused(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0]}})", 1, "needs dtype, shape and two data_offsets"));
  EXPECT_TRUE(refused(R"({"__metadata__":{"a":"1","a":"2"}})", 0, "'a' stands here twice"));
  EXPECT_TRUE(refused(R"({"__metadata__":{"a":1}})", 0, "a string is missing"));
}

TEST_F(Safetensors, StringsThatAreNotStringsAreRefused) {
  for (const std::string inside : {"\\ud800", "\\udc00", "\\ud800\\u0041", "\\x", "\\u12", "\x01", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3"})
    EXPECT_TRUE(refused("{\"" + inside + "\":" + R"({"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1, "string")) << inside;
}

TEST_F(Safetensors, ANestOfBracketsIsRefusedAtOnce) {
  EXPECT_TRUE(refused("{\"a\":" + std::string(1'000'000, '{'), 0, "a string is missing"));
  EXPECT_TRUE(refused("{\"__metadata__\":" + std::string(1'000'000, '['), 0, "'{' is missing"));
}

TEST_F(Safetensors, LengthsBeyondTheFileOrTheLimitAllocateNothing) {
  put("");
  EXPECT_NE(complaint().find("not a safetensors file: 0 bytes"), std::string::npos);
  put(std::string(8, '\xff'));
  EXPECT_NE(complaint().find("over the limit of 100 MB"), std::string::npos);
  put(std::string("\x10\0\0\0\0\0\0\0{}", 10));
  EXPECT_NE(complaint().find("longer than the file"), std::string::npos);
  fs::remove(path());
  EXPECT_NE(complaint().find("cannot be opened"), std::string::npos);
  fs::create_directory(path());
  EXPECT_NE(complaint().find("not a regular file"), std::string::npos);
}

TEST_F(Safetensors, AFileCutAtAnyLengthIsRefused) {
  write_safetensors(std::vector{view("w", TensorType::f32, {3}, std::vector<float>{1, 2, 3}), view("n", TensorType::i64, {1}, std::vector<std::int64_t>{4})},
                    {{"k", "v"}}, path());
  const std::string whole = bytes(path());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    put(whole.substr(0, n));
    EXPECT_NE(complaint(), "") << n;
  }
  put(whole + '\0');
  EXPECT_NE(complaint(), "");
}

TEST_F(Safetensors, AFileCutWhileItIsOpenIsAnErrorAndNoSignal) {
  put(kOne, 24);
  const SafetensorsFile file(path());
  fs::resize_file(path(), 70);
  EXPECT_THROW(read<float>(file, "a"), Error);
}

TEST_F(Safetensors, AFullDiskIsSaid) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  try {
    write_safetensors(std::vector{view("w", TensorType::f32, {3}, std::vector<float>{1, 2, 3})}, {}, "/dev/full");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("No space left"), std::string::npos) << e.what();
  }
}

/// Python's own reader and writer, where there is one: MILLRACE_SAFETENSORS names a folder to find the package in, if it is not
/// installed beside torch.
class PythonSafetensors : public Safetensors {
 protected:
  int python(const std::string& program) {
    std::ofstream(path("program.py")) << program;
    const char* extra = std::getenv("MILLRACE_SAFETENSORS");
    return std::system((std::string("PYTHONPATH=") + (extra ? extra : "") + " " MILLRACE_PYTHON " " + path("program.py") + " " + path() + " " +
                        path("b.safetensors") + " 2>" + path("stderr"))
                           .c_str());
  }
  void SetUp() override {
    if (python("import numpy, safetensors.numpy") != 0) GTEST_SKIP() << "Python's safetensors is not here";
  }
};

TEST_F(PythonSafetensors, ReadsWhatIsWrittenAndWritesTheSameBytes) {
  const std::vector<float> weight{1.5f, -2, 3, 4, 5, 6}, scalar{7};
  const std::vector<std::int64_t> counts{-1, 1ll << 40};
  const std::vector<std::uint8_t> odd{1, 2, 3}, none;
  write_safetensors(std::vector{view("odd", TensorType::u8, {3}, odd), view("fc.weight", TensorType::f32, {2, 3}, weight),
                                view("step", TensorType::f32, {}, scalar), view("counts", TensorType::i64, {2}, counts),
                                view("empty", TensorType::f16, {0, 5}, none)},
                    {{"format", "pt \"\u00e4\""}}, path());
  ASSERT_EQ(python(R"(import sys, numpy as np, safetensors, safetensors.numpy as st
t = st.load_file(sys.argv[1])
assert set(t) == {"odd", "fc.weight", "step", "counts", "empty"}, t
assert (t["fc.weight"] == np.array([[1.5, -2, 3], [4, 5, 6]], np.float32)).all() and t["fc.weight"].dtype == np.float32
assert t["step"].shape == () and t["step"] == 7
assert (t["counts"] == np.array([-1, 1 << 40])).all() and t["counts"].dtype == np.int64
assert t["empty"].shape == (0, 5) and t["empty"].dtype == np.float16
with safetensors.safe_open(sys.argv[1], "np") as f: assert f.metadata() == {"format": 'pt "\u00e4"'}, f.metadata()
st.save_file(t, sys.argv[2], {"format": 'pt "\u00e4"'})
)"), 0) << bytes(path("stderr"));
  EXPECT_EQ(bytes(path()), bytes(path("b.safetensors")));
}

TEST_F(PythonSafetensors, IsReadWithAllItsTypes) {
  ASSERT_EQ(python(R"(import sys, numpy as np, safetensors.numpy as st
types = "float64 float32 float16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool".split()
st.save_file({t: np.arange(6).reshape(2, 3).astype(t) for t in types}, sys.argv[1])
)"), 0) << bytes(path("stderr"));
  const SafetensorsFile file(path());
  EXPECT_EQ(file.tensors().size(), 12u);
  EXPECT_EQ(read<double>(file, "float64"), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read<float>(file, "float32"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read<std::int16_t>(file, "int16"), (std::vector<std::int16_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read<std::uint8_t>(file, "bool"), (std::vector<std::uint8_t>{0, 1, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace millrace::train

// Every system call of a checkpoint's writing, the removal of old ones included, is interrupted in turn.
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <map>

#include "experiments/checkpointer.h"
#include "tests/checkpoint/checkpoint_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

struct Call {
  std::string name, path;
};

class Interrupted : public Checkpoints {
 protected:
  /// What a run does when a checkpoint is due, with two older ones there.
  void write_and_thin_out(const Durable& durable) {
    write(3, durable);
    thin_out(parent(), 3, 2, durable);
  }
  void begin() {
    fs::remove_all(parent());
    write(1), write(2);
  }
  /// The calls of an undisturbed write.
  std::vector<Call> calls() {
    begin();
    std::vector<Call> out;
    write_and_thin_out(Durable([&](const char* name, const std::string& path) {
      out.push_back({name, path});
      return 0;
    }));
    return out;
  }
  /// Two is there whatever happens; three may be; and the next write succeeds and tidies up.
  void expect_nothing_lost(const std::string& when) {
    const std::int64_t found = newest();
    EXPECT_TRUE(found == 2 || found == 3) << when << ": newest whole is " << found;
    EXPECT_TRUE(passed_over_.empty()) << when << ": " << passed_over_[0];
    write(4);
    thin_out(parent(), 4, 2, Durable());
    EXPECT_EQ(newest(), 4) << when;
    EXPECT_EQ(names().size(), 2u) << when;
  }
};

TEST_F(Interrupted, ByAnErrorAtEachCall) {
  const std::size_t count = calls().size();
  ASSERT_GT(count, 25u);
  for (const int number : {EIO, ENOSPC})
    for (std::size_t at = 0; at < count; ++at) {
      begin();
      std::size_t call = 0;
      std::string when;
      try {
        write_and_thin_out(Durable([&](const char* name, const std::string& path) {
          if (call++ != at) return 0;
          when = std::string(std::strerror(number)) + " at call " + std::to_string(at) + ", " + name + " " + path;
          return number;
        }));
        ADD_FAILURE() << "nothing was said of " << when;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::data);
        EXPECT_NE(std::string(e.what()).find(std::strerror(number)), std::string::npos) << e.what();
        EXPECT_EQ(e.hint().empty(), number == EIO);
      }
      expect_nothing_lost(when);
    }
}

TEST_F(Interrupted, ByEveryCallFromOneOnFailing) {
  const std::size_t count = calls().size();
  for (std::size_t from = 0; from < count; ++from) {
    begin();
    std::size_t call = 0;
    EXPECT_THROW(write_and_thin_out(Durable([&](const char*, const std::string&) { return call++ >= from ? ENOSPC : 0; })), Error);
    expect_nothing_lost("a disk full from call " + std::to_string(from));
  }
}

TEST_F(Interrupted, ByKillMinusNineAtEachCall) {
  const std::vector<Call> all = calls();
  for (std::size_t at = 0; at < all.size(); ++at) {
    begin();
    const pid_t child = fork();
    if (child == 0) {
      std::size_t call = 0;
      write_and_thin_out(Durable([&](const char*, const std::string&) {
        if (call++ == at) raise(SIGKILL);
        return 0;
      }));
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    expect_nothing_lost("killed at call " + std::to_string(at) + ", " + all[at].name);
  }
}

/// What a power cut leaves at worst: of every file that was not flushed, nothing but its name.
TEST_F(Interrupted, ByAPowerCutAtEachCall) {
  const std::vector<Call> all = calls();
  for (std::size_t at = 0; at < all.size(); ++at) {
    begin();
    std::map<std::string, bool> flushed;
    std::size_t call = 0;
    try {
      write_and_thin_out(Durable([&](const char* name, const std::string& path) {
        if (call++ >= at) throw call;  // Nothing runs any more, no tidying up either.
        const std::string what = name;
        if (what == "write") flushed[path] = false;
        if (what == "close") flushed[path] = true;  // fsync was called before it, and has returned.
        return 0;
      }));
    } catch (std::size_t) {
    }
    const auto temporary = parent() + "/.step-000000003/", final = parent() + "/step-000000003/";
    for (const auto& [path, is_flushed] : flushed)
      for (const std::string& file : {path, final + fs::path(path).filename().string()})
        if (!is_flushed && fs::exists(file)) fs::resize_file(file, 0);
    expect_nothing_lost("power cut at call " + std::to_string(at) + ", " + all[at].name);
  }
}

TEST_F(Interrupted, NothingBearsItsNameBeforeItIsFlushedAndNothingGoesBeforeThat) {
  std::size_t renamed = 0, flushed_parent = 0, first_gone = 0, files_flushed = 0, folder_flushed = 0;
  const std::vector<Call> all = calls();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [name, path] = all[i];
    if (name == "fsync" && path.ends_with("/.step-000000003")) folder_flushed = i;
    if (name == "fsync" && path.find(".step-000000003/") != std::string::npos) files_flushed += folder_flushed == 0;
    if (name == "rename" && path.ends_with("/step-000000003")) renamed = i;
    if (name == "fsync" && path == parent()) flushed_parent = i;
    if (name == "rename" && path.ends_with(".removed-step-000000001")) first_gone = i;
  }
  EXPECT_EQ(files_flushed, 5u);
  EXPECT_LT(folder_flushed, renamed);
  EXPECT_LT(renamed, flushed_parent);
  EXPECT_LT(flushed_parent, first_gone);
}

TEST_F(Interrupted, ACheckpointOfTheSameStepIsReplacedOnlyByAWholeOne) {
  begin();
  std::size_t count = 0;
  write(2, Durable([&](const char*, const std::string&) { return ++count, 0; }));
  for (std::size_t at = 0; at < count; ++at) {
    begin();
    std::size_t call = 0;
    EXPECT_THROW(write(2, Durable([&](const char*, const std::string&) { return call++ == at ? EIO : 0; })), Error);
    const std::int64_t found = newest();
    EXPECT_TRUE(found == 1 || found == 2) << "at call " << at;
    EXPECT_TRUE(passed_over_.empty());
  }
}

}  // namespace
}  // namespace millrace

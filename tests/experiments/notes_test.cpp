// Notes never end or corrupt a run: readers that go, descriptors that are closed, disks that are full, signals that mean the same.
#include <gmock/gmock.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <cstdlib>

#include "experiments/checkpoint.h"
#include "experiments/terminal.h"
#include "pipeline/error.h"
#include "program_fixture.h"

namespace millrace {
namespace {

using testing::HasSubstr;

int repeats() {
  const char* text = std::getenv("MILLRACE_TEST_REPEATS");
  return text ? std::max(1, std::atoi(text)) : 1;
}

class Notes : public Program {
 protected:
  std::string small(const std::string& train = "epochs = 3\n") {
    return spec("[data]\nname = \"digits\"\nsubset = 200\nbatch = 20\n[loader]\nworkers = 1\n[train]\nmodel = \"toy\"\nthreads = 1\nevaluate_every = 0\n"
                "checkpoint_every = 1\n" + train);
  }
  std::string endless() { return small("epochs = 1000000\n"); }
  /// Runs a line of bash with {train} filled in, in a process group of its own, of which its parent is told.
  pid_t shell(std::string line, const std::string& out) {
    const std::string command = std::string(MILLRACE_PROGRAM) + " train " + (folder_ / "spec.toml").string() + " --out " + out;
    for (auto at = line.find("{train}"); at != std::string::npos; at = line.find("{train}")) line.replace(at, 7, command);
    line = "cd " + folder_.string() + "; " + line;
    const pid_t child = fork();
    if (child != 0) return child;
    setpgid(0, 0);
    for (const int signal : {SIGINT, SIGHUP, SIGQUIT}) std::signal(signal, SIG_DFL);
    dup2(open("/dev/null", O_WRONLY), 2);
    execl("/bin/bash", "bash", "-c", line.c_str(), nullptr);
    _exit(127);
  }
  int number_in(const char* file) { return std::atoi(text(file).c_str()); }
  static std::string outcome(const std::string& folder) {
    const auto records = read_records(folder);
    return records.empty() || records.back()["type"] != "end" ? "none" : records.back()["outcome"].get<std::string>();
  }
  static bool has_checkpoint(const std::string& folder) { return newest_checkpoint(folder + "/checkpoints").found.has_value(); }
};

TEST_F(Notes, CtrlCOnAPipeIntoTeeLeavesCheckpointAndEndRecord) {
  endless();
  for (int i = 0; i < repeats(); ++i) {
    const std::string out = this->out() + std::to_string(i), both = i % 2 ? "" : "2>&1 ";
    std::filesystem::remove(folder_ / "code");
    // The trap keeps bash, which a terminal interrupts with the others, alive for the exit code.
    const pid_t child = shell("trap : INT; {train} " + both + "| tee log; echo ${PIPESTATUS[0]} >code", out);
    ASSERT_TRUE(comes_true([&] { return read_records(out, true).size() >= 2; }));
    kill(-child, SIGINT);
    finish(child);
    EXPECT_EQ(number_in("code"), 130);
    EXPECT_EQ(outcome(out), "stopped");
    EXPECT_TRUE(has_checkpoint(out));
    std::filesystem::remove_all(out);
  }
}

TEST_F(Notes, AReaderThatEndsFirstChangesNothing) {
  small();
  for (int i = 0; i < repeats(); ++i)
    for (const char* both : {"2>&1 ", ""}) {
      const std::string out = this->out() + std::to_string(i);
      finish(shell("{train} " + std::string(both) + "| head -1; echo ${PIPESTATUS[0]} >code", out));
      EXPECT_EQ(text("code"), "0\n") << both;
      EXPECT_EQ(outcome(out), "complete") << both;
      EXPECT_TRUE(has_checkpoint(out));
      std::filesystem::remove_all(out);
    }
}

TEST_F(Notes, ClosedDescriptorsAreNotTakenByFiles) {
  small();
  for (int closed = 1; closed < 8; ++closed)
    for (const char* ranks : {"", " --processes 2"}) {
      std::string line = "{train}" + std::string(ranks);
      for (int descriptor = 0; descriptor < 3; ++descriptor)
        if (closed >> descriptor & 1) line += " " + std::to_string(descriptor) + ">&-";
      const std::string out = this->out() + std::to_string(closed) + (*ranks ? "p" : "");
      EXPECT_EQ(finish(shell(line, out)), 0) << line;
      const auto records = read_records(out);  // Throws at a line that is none.
      EXPECT_EQ(records.size(), 5u) << line;
      EXPECT_TRUE(has_checkpoint(out)) << line;
    }
}

TEST_F(Notes, AFullDiskUnderTheLogEndsNoRun) {
  small();
  EXPECT_EQ(finish(shell("{train} 2>/dev/full", out())), 0);
  EXPECT_EQ(outcome(out()), "complete");
  EXPECT_EQ(finish(shell("{train} >/dev/full", out() + "2")), 3) << "the table did not arrive";
  EXPECT_EQ(outcome(out() + "2"), "complete");
  EXPECT_TRUE(has_checkpoint(out() + "2"));
}

class StopSignal : public Notes, public testing::WithParamInterface<int> {};

TEST_P(StopSignal, LeavesACheckpointAndAnEndRecord) {
  const pid_t child = start({"train", endless(), "--out", out()});
  ASSERT_TRUE(comes_true([&] { return read_records(out(), true).size() >= 2; })) << text("stderr");
  kill(child, GetParam());
  EXPECT_EQ(finish(child), 128 + GetParam()) << text("stderr");
  EXPECT_EQ(outcome(out()), "stopped");
  EXPECT_TRUE(has_checkpoint(out()));
  EXPECT_THAT(text("stderr"), HasSubstr("millrace: stopped by SIG"));
  EXPECT_THAT(text("stdout"), HasSubstr("the same command with --resume auto goes on from here"));
}
INSTANTIATE_TEST_SUITE_P(Each, StopSignal, testing::Values(SIGTERM, SIGHUP, SIGUSR2, SIGXCPU));

/// The kernel repeats SIGXCPU each second, and a closed terminal hangs up once by itself and once by its shell.
TEST_F(Notes, SignalsThatComeTwiceAreInNoHurry) {
  const pid_t child = start({"train", endless(), "--out", out()});
  ASSERT_TRUE(comes_true([&] { return read_records(out(), true).size() >= 2; })) << text("stderr");
  for (const int signal : {SIGHUP, SIGXCPU, SIGHUP, SIGTERM}) kill(child, signal);
  const int status = finish(child);
  EXPECT_TRUE(status == 128 + SIGHUP || status == 128 + SIGTERM || status == 128 + SIGXCPU) << status;
  EXPECT_EQ(outcome(out()), "stopped");
  EXPECT_TRUE(has_checkpoint(out()));
}

TEST_F(Notes, UnderNohupAHangUpStopsNothing) {
  small("epochs = 400\n");
  const pid_t child = shell("trap '' HUP; {train} >/dev/null", out());
  ASSERT_TRUE(comes_true([&] { return read_records(out(), true).size() >= 2; }));
  kill(-child, SIGHUP);
  EXPECT_EQ(finish(child), 0);
  EXPECT_EQ(outcome(out()), "complete");
}

TEST_F(Notes, ARecordThatDoesNotFitIsTakenBack) {
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  RecordFile file(out());
  file.append({{"type", "run"}, {"run", "a"}});
  const auto whole = std::filesystem::file_size(file.path());
  const rlimit tight{whole + 10, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  try {
    file.append({{"type", "end"}, {"run", "a"}, {"outcome", "complete"}});
    ADD_FAILURE() << "it did fit";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::data);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  file.append({{"type", "end"}, {"run", "a"}, {"outcome", "failed"}});
  EXPECT_EQ(read_records(out()).size(), 2u);
}

/// stderr is this for a while.
class StandardError {
 public:
  explicit StandardError(int descriptor) : kept_(dup(2)) { dup2(descriptor, 2); }
  ~StandardError() {
    dup2(kept_, 2);
    close(kept_);
  }

 private:
  const int kept_;
};

std::string drained(int descriptor) {
  fcntl(descriptor, F_SETFL, O_NONBLOCK);
  std::string out(1 << 20, '\0');
  const ssize_t got = read(descriptor, out.data(), out.size());
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

TEST(Reporter, WaitsForNobodyWhoDoesNotRead) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const StandardError replaced(ends[1]);
  Reporter out;
  for (int i = 0; i < 2000; ++i) out.note(std::string(100, 'x'));  // More than a pipe holds.
  const std::string before = drained(ends[0]);
  EXPECT_GT(before.size(), 1000u);
  out.note("again");
  EXPECT_THAT(drained(ends[0]), testing::AllOf(HasSubstr("lines were left out)\n"), testing::EndsWith("again\n")));
}

TEST(Reporter, SaysALineAMinuteWhereThereIsNoTerminal) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const StandardError replaced(ends[1]);
  Reporter seldom;
  seldom.progress("too soon");
  EXPECT_EQ(drained(ends[0]), "");
  Reporter often(std::chrono::milliseconds(0));
  often.progress("epoch 1/2");
  EXPECT_EQ(drained(ends[0]), "epoch 1/2\n");
}

class OnATerminal : public testing::Test {
 protected:
  OnATerminal() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    grantpt(master_);
    unlockpt(master_);
    slave_ = open(ptsname(master_), O_RDWR | O_NOCTTY);
    columns(80);
  }
  ~OnATerminal() override {
    close(master_);
    close(slave_);
    unsetenv("TERM");
  }
  void columns(unsigned short count) const {
    const winsize size{24, count, 0, 0};
    ioctl(slave_, TIOCSWINSZ, &size);
  }
  const int master_;
  int slave_ = -1;
};

TEST_F(OnATerminal, ProgressIsALineThatIsWrittenOver) {
  setenv("TERM", "xterm", 1);
  const StandardError replaced(slave_);
  Reporter out;
  out.progress(std::string(70, 'p'));
  out.note("done");
  EXPECT_THAT(drained(master_), testing::EndsWith("\r\033[Jdone\r\n"));
}

TEST_F(OnATerminal, ALineThatTheTerminalHasWrappedIsClearedWhole) {
  setenv("TERM", "xterm", 1);
  const StandardError replaced(slave_);
  Reporter out;
  out.progress(std::string(70, 'p'));
  columns(30);
  out.note("done");
  EXPECT_THAT(drained(master_), testing::EndsWith("\033[2A\r\033[Jdone\r\n"));
}

TEST_F(OnATerminal, ADumbOneGetsNoEscapeSequences) {
  setenv("TERM", "dumb", 1);
  const StandardError replaced(slave_);
  Reporter out(std::chrono::milliseconds(0));
  out.progress("epoch 1/2");
  out.note("done");
  const std::string all = drained(master_);
  EXPECT_THAT(all, testing::Not(HasSubstr("\033")));
  EXPECT_THAT(all, HasSubstr("done"));
}

}  // namespace
}  // namespace millrace

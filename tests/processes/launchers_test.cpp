// Launchers that people have, run for real: jobs beside one another, stops, restarts, hosts and networks.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

#include <cstdlib>

#include "ranks_program_fixture.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;

int repeats() {
  const char* text = std::getenv("MILLRACE_TEST_REPEATS");
  return text ? std::max(1, std::atoi(text)) : 1;
}

class Launchers : public RanksOfTheProgram {
 protected:
  static bool has(const char* program) { return system(("command -v " + std::string(program) + " >/dev/null").c_str()) == 0; }
  static std::string free_port() { return std::to_string(train::port_of(train::listen_at("127.0.0.1", 0))); }
  static std::string by_hand(int size) { return "WORLD_SIZE=" + std::to_string(size) + " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + free_port() + " "; }
  /// The process whose command line holds both words and that says in its environment that it is this rank; 0: there is none.
  static pid_t rank_process(const std::string& word, int rank) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const pid_t pid = std::atoi(entry.path().filename().c_str());
      const auto holds = [&](const char* file, const std::string& what) {
        std::ifstream in(entry.path() / file);
        const std::string all((std::istreambuf_iterator<char>(in)), {});
        return all.find(what) != std::string::npos;
      };
      if (pid > 0 && holds("cmdline", word) && holds("cmdline", "build") && holds("environ", std::string("\0RANK=", 6) + std::to_string(rank) + '\0')) return pid;
    }
    return 0;
  }
};

TEST_F(Launchers, AStopOnOneRankEndsAllWithTheSameCode) {
  endless();
  const std::string line = by_hand(2) + "LOCAL_WORLD_SIZE=2 {millrace} train {spec} --set train.checkpoint_every=1 --out {out}";
  // Each says with which code it ended.
  const pid_t parent = fork();
  if (parent == 0)
    _exit(shell("(RANK=0 LOCAL_RANK=0 sh -c 'echo $$ >" + out() + ".0; exec env " + line + "'; echo $? >" + out() + ".code0) & " +
                "(RANK=1 LOCAL_RANK=1 sh -c 'echo $$ >" + out() + ".1; exec env " + line + "'; echo $? >" + out() + ".code1); wait"));
  ASSERT_TRUE(comes_true([&] { return read_records(out(), true).size() >= 2; })) << text("stderr");
  kill(std::atoi(text("out.1").c_str()), SIGTERM);
  waitpid(parent, nullptr, 0);
  EXPECT_EQ(text("out.code0"), "143\n") << text("stderr");
  EXPECT_EQ(text("out.code1"), "143\n") << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("millrace: stopped by SIGTERM on rank 1"));
  const Json end = read_records(out()).back();
  EXPECT_EQ(end["outcome"], "stopped");
  EXPECT_EQ(end["stopped_by"], "SIGTERM on rank 1");
}

TEST_F(Launchers, ByHandRanksOfOneHostShareItsCoresAndCountAsOneNode) {
  small("", "", "batch_per_node = 60");
  const std::string line = by_hand(2) + "{millrace} train {spec} --set train.threads=0 --out {out}";
  ASSERT_EQ(shell("RANK=1 LOCAL_RANK=1 " + line + " & RANK=0 LOCAL_RANK=0 " + line + "; status=$?; wait; exit $status"), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("global batch 60,"));
  EXPECT_THAT(text("stderr"), HasSubstr("shared by 2 processes"));
}

TEST_F(Launchers, OneOfOneIsNobodysPeer) {
  small();
  EXPECT_EQ(shell("RANK=0 WORLD_SIZE=1 {millrace} data list"), 0) << text("stderr");
  EXPECT_EQ(shell("RANK=0 WORLD_SIZE=1 {millrace} train {spec} --out {out}"), 0) << text("stderr");
  EXPECT_EQ(shell("RANK=0 {millrace} data list"), 0) << "half a launch is no reason not to list data sets: " << text("stderr");
}

TEST_F(Launchers, ThreadsAndProcessesTogetherAreRefused) {
  EXPECT_EQ(run({"train", small(), "--ranks", "2", "--processes", "2", "--out", out()}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("both --ranks and --processes"));
}

TEST_F(Launchers, TooFewOpenFilesAreSaidAtOnce) {
  small();
  EXPECT_EQ(shell("ulimit -n 20; {millrace} train {spec} --processes 4 --out {out}"), 5);
  EXPECT_THAT(text("stderr"), HasSubstr("ulimit -n"));
  EXPECT_THAT(text("stderr"), Not(HasSubstr("LibTorch")));
}

TEST_F(Launchers, OfAListOfInterfacesTheFirstThatIsThereCounts) {
  small();
  const std::string line = by_hand(2) + "GLOO_SOCKET_IFNAME=nosuch0,lo {millrace} train {spec} --out {out}";
  EXPECT_EQ(shell("RANK=1 LOCAL_RANK=1 " + line + " & RANK=0 LOCAL_RANK=0 " + line + "; status=$?; wait; exit $status"), 0) << text("stderr");
}

/// Ranks of --processes are in the background of their terminal, which stops those who print there if it is told to.
TEST_F(Launchers, ATerminalThatStopsOutputStopsNoRank) {
  const std::string path = small();
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_EQ(grantpt(master) | unlockpt(master), 0);
  const std::string slave = ptsname(master);
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    const int terminal = open(slave.c_str(), O_RDWR);
    ioctl(terminal, TIOCSCTTY, 0);
    termios settings{};
    tcgetattr(terminal, &settings);
    settings.c_lflag |= TOSTOP;
    tcsetattr(terminal, TCSANOW, &settings);
    for (int descriptor = 0; descriptor < 3; ++descriptor) dup2(terminal, descriptor);
    execl(MILLRACE_PROGRAM, MILLRACE_PROGRAM, "train", path.c_str(), "--out", out().c_str(), "--processes", "2", nullptr);
    _exit(127);
  }
  std::thread reader([&] {
    for (char text[4096]; read(master, text, sizeof text) > 0;) {
    }
  });
  EXPECT_EQ(finish(child), 0);
  reader.join();
  close(master);
  EXPECT_EQ(read_records(out()).back()["outcome"], "complete");
}

/// How a job of two ranks is started; {millrace}, {spec} and {out} are filled in.
struct Way {
  const char* name;
  const char* needs;
  const char* line;
};
class TwoJobs : public Launchers, public testing::WithParamInterface<Way> {};

TEST_P(TwoJobs, OfOneSpecStartedTogetherAreBothWhole) {
  const Way way = GetParam();
  const std::string torchrun = MILLRACE_TORCHRUN;
  if (way.needs == std::string("torchrun") ? !runs_shell(torchrun + " --help >/dev/null 2>&1") : *way.needs && !has(way.needs))
    GTEST_SKIP() << "no " << way.needs;
  small("checkpoint_every = 1\n");
  std::string line = way.line;
  if (const auto at = line.find("{torchrun}"); at != std::string::npos) line.replace(at, 10, torchrun);
  const auto into = [&](const std::string& folder) {
    std::string out = line;
    out.replace(out.find("{out}"), 5, folder);
    return out;
  };
  const Json expected = by_threads((folder_ / "spec.toml").string(), "2");
  for (int i = 0; i < repeats(); ++i) {
    const std::string a = (folder_ / ("a" + std::to_string(i))).string(), b = (folder_ / ("b" + std::to_string(i))).string();
    ASSERT_EQ(shell("(" + into(a) + ") & (" + into(b) + "); status=$?; wait $!; exit $((status + $?))"), 0) << text("stderr");
    for (const std::string& folder : {a, b}) {
      EXPECT_EQ(read_records(folder).back()["outcome"], "complete") << text("stderr");
      equals(epoch(folder), expected);
    }
  }
}
constexpr const char* kMpich = "mpirun.mpich -np 2 {millrace} train {spec} --out {out}";
constexpr const char* kOpenMpi = "mpirun.openmpi --allow-run-as-root --oversubscribe -np 2 {millrace} train {spec} --out {out}";
INSTANTIATE_TEST_SUITE_P(By, TwoJobs,
                         testing::Values(Way{"processes", "", "{millrace} train {spec} --out {out} --processes 2"}, Way{"mpich", "mpirun.mpich", kMpich},
                                         Way{"open_mpi", "mpirun.openmpi", kOpenMpi},
                                         Way{"torchrun", "torchrun", "{torchrun} --no-python --nproc-per-node=2 --standalone {millrace} train {spec} --out {out}"}),
                         [](const auto& way) { return std::string(way.param.name); });

TEST_F(Launchers, ARankThatIsKilledUnderTwoAgentsOfTorchrunIsStartedAgain) {
  const std::string torchrun = MILLRACE_TORCHRUN;
  if (!runs_shell(torchrun + " --help >/dev/null 2>&1")) GTEST_SKIP() << "no torchrun: Python has no torch";
  small("epochs = 40\nevaluate_every = 0\ncheckpoint_every = 1\npeer_timeout = 30\n");
  const std::string agent = torchrun + " --no-python --nnodes=2 --nproc-per-node=1 --max-restarts=3 --monitor-interval=0.05 --rdzv-backend=c10d --rdzv-endpoint=127.0.0.1:" +
                            free_port() + " --rdzv-id=job {millrace} train {spec} --out {out} --resume auto";
  const pid_t parent = fork();
  if (parent == 0) _exit(shell("(" + agent + ") & (" + agent + "); status=$?; wait $!; exit $((status + $?))"));
  ASSERT_TRUE(comes_true([&] { return read_records(out(), true).size() >= 4; })) << text("stderr");
  const pid_t rank = rank_process(out(), 1);
  ASSERT_GT(rank, 0);
  kill(rank, SIGKILL);
  int status = 0;
  waitpid(parent, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << text("stderr");
  EXPECT_EQ(read_records(out()).back()["outcome"], "complete");
}

TEST_F(Launchers, RankZeroIsFoundByWhicheverOfItsNetworksLeadsToIt) {
  const Json threads = by_threads(small("peer_timeout = 20\n"), "2");
  const int status = shell("bash " MILLRACE_SOURCE_DIR "/tests/processes/two_interfaces.sh {millrace} train {spec} --out {out}");
  if (status == 77) GTEST_SKIP() << "no network namespaces: not root, or no ip or veth";
  ASSERT_EQ(status, 0) << text("stderr");
  equals(epoch(out()), threads);
}

/// A Slurm of two nodes on this machine (slurm_two_nodes.sh).
class Slurm : public Launchers {
 protected:
  int under_slurm(const std::string& line) { return shell("bash " MILLRACE_SOURCE_DIR "/tests/processes/slurm_two_nodes.sh '" + line + "'"); }
  static bool is_there() { return has("slurmctld") && has("slurmd") && has("munged") && geteuid() == 0; }
};

TEST_F(Slurm, CountsItsNodesWhateverRunsOnEach) {
  if (!is_there()) GTEST_SKIP() << "no Slurm: apt-get install slurmctld slurmd slurm-client munge, as root";
  small("", "", "batch_per_node = 60");
  ASSERT_EQ(under_slurm("srun -N 2 -n 3 {millrace} train {spec} --out {out}"), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("rank batch 40, global batch 120"));
}

TEST_F(Slurm, TwoStepsOfOneSpecAreBothWhole) {
  if (!is_there()) GTEST_SKIP() << "no Slurm: apt-get install slurmctld slurmd slurm-client munge, as root";
  const Json threads = by_threads(small(), "2");
  const std::string step = "srun -N 2 -n 2 {millrace} train {spec} --out ";
  std::string line;
  for (int i = 0; i < repeats(); ++i)
    for (const char* job : {"a", "b"}) line += "(" + step + (folder_ / (job + std::to_string(i))).string() + (*job == 'a' ? ") & first=$!; " : ") || exit 1; wait $first || exit 1; ");
  ASSERT_EQ(under_slurm(line), 0) << text("stderr");
  for (int i = 0; i < repeats(); ++i)
    for (const char* job : {"a", "b"}) equals(epoch((folder_ / (job + std::to_string(i))).string()), threads);
}

TEST_F(Slurm, WhatItCancelsLeavesACheckpoint) {
  if (!is_there()) GTEST_SKIP() << "no Slurm: apt-get install slurmctld slurmd slurm-client munge, as root";
  small("epochs = 100000\nevaluate_every = 0\npeer_timeout = 20\ncheckpoint_every = 1\n");
  for (const char* signal : {"TERM", "USR2"}) {
    std::filesystem::remove_all(out());
    const std::string line = "srun -N 2 -n 2 {millrace} train {spec} --out {out} & step=$!; until [ -d {out}/checkpoints ] || ! kill -0 $step 2>/dev/null; do sleep 0.2; done; scancel --signal=" +
                             std::string(signal) + " $(squeue -h -o %i); wait $step; exit $?";
    ASSERT_THAT(under_slurm(line), testing::Not(testing::AnyOf(0, 77))) << text("stderr");
    ASSERT_FALSE(read_records(out()).empty()) << text("stderr");
    EXPECT_EQ(read_records(out()).back()["outcome"], "stopped") << text("stderr");
  }
}

TEST_F(Slurm, ABatchOfSeveralTasksWithoutSrunIsSaid) {
  if (!is_there()) GTEST_SKIP() << "no Slurm: apt-get install slurmctld slurmd slurm-client munge, as root";
  small();
  ASSERT_EQ(under_slurm("salloc -n 4 {millrace} train {spec} --out {out}"), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("Slurm has given this job 4 tasks, of which this is one"));
}

}  // namespace
}  // namespace millrace

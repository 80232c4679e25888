// Teams of workers on this machine: most are threads of this program, each with a team of its own.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "engine/team.h"

using canal::Control;
using canal::Team;
using canal::TeamOptions;

namespace {

using Work = std::function<void(Team&)>;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// How a call ended: "", "cancelled", or kind and message of the error.
std::string outcome_of(const std::function<void()>& call) {
  try {
    call();
    return "";
  } catch (const canal::Cancelled&) {
    return "cancelled";
  } catch (const canal::Error& error) {
    return (error.kind() == canal::ErrorKind::team ? "team: " : "other: ") +
           std::string(error.what());
  } catch (const std::exception& error) {
    return "foreign: " + std::string(error.what());
  }
}

TeamOptions worker(int rank, int size, int port, double timeout_s = 20) {
  return {"127.0.0.1", port, rank, size, timeout_s};
}

// Runs the work of every rank on a thread; returns the outcomes by rank.
std::vector<std::string> in_team(const std::vector<Work>& work, double timeout_s = 20) {
  const int size = static_cast<int>(work.size()), port = canal::free_port();
  std::vector<std::string> outcomes(size);
  std::vector<std::thread> threads;
  threads.reserve(size);
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      outcomes[rank] = outcome_of([&] {
        Control control;
        work[rank](*canal::join_team(worker(rank, size, port, timeout_s), control));
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

std::vector<std::string> in_team(int size, const Work& work) {
  return in_team(std::vector<Work>(size, work));
}

// Of many magnitudes, so that the order of additions shows in the bits.
template <class Number>
std::vector<Number> values_of(int rank, int64_t count) {
  std::mt19937_64 random(static_cast<uint64_t>(1000 * rank + count));
  std::normal_distribution<double> normal;
  std::vector<Number> values(count);
  for (Number& value : values) value = static_cast<Number>(std::exp(6 * normal(random)));
  return values;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

template <class Number>
void expect_sums(int size, int64_t count) {
  std::vector<std::vector<Number>> sums(size);
  const auto outcomes = in_team(size, [&](Team& team) {
    Control control;
    std::vector<Number> first = values_of<Number>(team.rank(), count), again = first;
    team.sum(first, control);
    team.sum(again, control);
    EXPECT_EQ(first, again);
    sums[team.rank()] = first;
  });
  for (const std::string& outcome : outcomes) ASSERT_EQ(outcome, "");
  std::vector<long double> naive(count);
  for (int rank = 0; rank < size; ++rank) {
    const std::vector<Number> values = values_of<Number>(rank, count);
    for (int64_t i = 0; i < count; ++i) naive[i] += values[i];
  }
  for (int64_t i = 0; i < count; ++i) {
    ASSERT_NEAR(sums[0][i] / naive[i], 1, 4 * std::numeric_limits<Number>::epsilon()) << i;
  }
  const size_t bytes = count * sizeof(Number);
  for (int rank = 1; rank < size; ++rank) {
    EXPECT_EQ(std::memcmp(sums[0].data(), sums[rank].data(), bytes), 0) << "rank " << rank;
  }
}

}  // namespace

#define SKIP_WITHOUT_GLOO() \
  if (canal::team_backend().empty()) GTEST_SKIP() << "built without Gloo"

TEST(Team, OneWorkerNeedsNobody) {
  Control control;
  const auto team = canal::join_team(worker(0, 1, 1), control);
  std::vector<float> values{1, 2};
  team->sum(values, control);
  team->barrier(control);
  EXPECT_EQ(values, (std::vector<float>{1, 2}));
  EXPECT_EQ(team->bytes_sent(), 0);
  team->leave();
  EXPECT_TRUE(contains(outcome_of([&] { team->barrier(control); }), "team: "));
}

TEST(Team, OptionsThatCannotBeAreRefused) {
  Control control;
  for (const TeamOptions& wrong : {worker(2, 2, 1), worker(-1, 2, 1), worker(0, 0, 1),
                                   worker(0, 2, 0), worker(0, 2, 65536), worker(0, 2, 1, 0)}) {
    EXPECT_TRUE(contains(outcome_of([&] { canal::join_team(wrong, control); }), "other: "));
  }
}

TEST(Team, WithoutGlooItSaysSo) {
  if (!canal::team_backend().empty()) GTEST_SKIP() << "built with Gloo";
  Control control;
  const auto join = [&] { canal::join_team(worker(0, 2, canal::free_port()), control); };
  EXPECT_TRUE(contains(outcome_of(join), "team: This canalR was built without Gloo"));
}

TEST(Team, SumsAreRightAndTheSameBitForBit) {
  SKIP_WITHOUT_GLOO();
  for (const int size : {2, 3}) {
    for (const int64_t count : {1, 2, 5, 1000, 600001}) {
      SCOPED_TRACE(std::to_string(size) + " workers, " + std::to_string(count) + " values");
      expect_sums<float>(size, count);
      expect_sums<double>(size, count);
    }
  }
}

TEST(Team, NoValuesAreNoCall) {
  SKIP_WITHOUT_GLOO();
  const auto outcomes = in_team(2, [](Team& team) {
    Control control;
    std::vector<float> none;
    team.sum(none, control);
    team.broadcast(nullptr, 0, 0, control);
  });
  EXPECT_EQ(outcomes, std::vector<std::string>(2));
}

TEST(Team, AllGetWhatTheRootHas) {
  SKIP_WITHOUT_GLOO();
  const auto outcomes = in_team(3, [](Team& team) {
    Control control;
    for (int root = 0; root < 3; ++root) {
      std::vector<uint8_t> data(100000, static_cast<uint8_t>(10 + team.rank()));
      team.broadcast(data.data(), static_cast<int64_t>(data.size()), root, control);
      EXPECT_EQ(data, std::vector<uint8_t>(100000, static_cast<uint8_t>(10 + root)));
    }
    EXPECT_TRUE(contains(outcome_of([&] { team.broadcast(nullptr, 1, 3, control); }), "other: "));
  });
  EXPECT_EQ(outcomes, std::vector<std::string>(3));
}

// 2 (W - 1) / W of the values on average, as a ring does; headers add little to many values.
TEST(Team, SendsWhatARingSends) {
  SKIP_WITHOUT_GLOO();
  constexpr int size = 3;
  constexpr int64_t bytes = 3 << 20;
  std::vector<int64_t> sent(size);
  in_team(size, [&](Team& team) {
    Control control;
    const int64_t before = team.bytes_sent();
    std::vector<float> values(bytes / sizeof(float));
    team.sum(values, control);
    team.leave();
    sent[team.rank()] = team.bytes_sent() - before;
  });
  for (const int64_t by_rank : sent) {
    EXPECT_NEAR(static_cast<double>(by_rank), 2.0 * (size - 1) / size * bytes, 0.01 * bytes);
  }
}

TEST(Team, ABarrierWaitsForTheLast) {
  SKIP_WITHOUT_GLOO();
  std::atomic<bool> came{false};
  in_team({[&](Team& team) {
             team.barrier(Control());
             EXPECT_TRUE(came);
           },
           [&](Team& team) {
             std::this_thread::sleep_for(std::chrono::milliseconds(300));
             came = true;
             team.barrier(Control());
           }});
}

// Leaving right after the last call takes nothing from those whose call is still under way.
TEST(Team, TheFirstToLeaveTakesNothingAway) {
  SKIP_WITHOUT_GLOO();
  for (int round = 0; round < 10; ++round) {
    const auto outcomes = in_team(3, [](Team& team) {
      Control control;
      std::vector<float> values(50000, 1);
      team.sum(values, control);
      EXPECT_EQ(values, std::vector<float>(50000, 3));
    });
    EXPECT_EQ(outcomes, std::vector<std::string>(3));
  }
}

TEST(Team, AWorkerThatLeavesEndsTheOthersCalls) {
  SKIP_WITHOUT_GLOO();
  const Work stays = [](Team& team) {
    Control control;
    std::vector<float> values(1000);
    const auto start = Clock::now();
    const auto sum = [&] { team.sum(values, control); };
    const std::string outcome = outcome_of(sum);
    EXPECT_TRUE(contains(outcome, "team: The team of 3 workers broke up: rank ")) << outcome;
    EXPECT_TRUE(contains(outcome, "ended, failed or left")) << outcome;
    EXPECT_EQ(outcome_of(sum), outcome);
    EXPECT_LT(seconds_since(start), 5);
  };
  const auto outcomes = in_team({stays, stays, [](Team& team) {
                                   std::this_thread::sleep_for(std::chrono::milliseconds(200));
                                   team.leave();
                                 }});
  EXPECT_EQ(outcomes, std::vector<std::string>(3));
}

// Run by the next two tests in another process: it takes part once and is killed in the midst, or
// stopped, as if its machine were.
TEST(Team, DISABLED_WorkerThatGetsASignal) {
  const auto number = [](const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? 0 : std::atoi(text);
  };
  Control control;
  const int rank = number("CANALR_TEST_RANK");
  const auto team = canal::join_team(worker(rank, 2, number("CANALR_TEST_PORT")), control);
  team->barrier(control);
  raise(number("CANALR_TEST_SIGNAL"));
}

namespace {

// How the call after the signal ended in this worker, and after how many seconds.
std::pair<std::string, double> beside_one_with_signal(int signal, int rank, double timeout_s) {
  const int port = canal::free_port();
  setenv("CANALR_TEST_PORT", std::to_string(port).c_str(), 1);
  setenv("CANALR_TEST_SIGNAL", std::to_string(signal).c_str(), 1);
  setenv("CANALR_TEST_RANK", std::to_string(rank).c_str(), 1);
  const pid_t other = fork();
  if (other == 0) {
    execl("/proc/self/exe", "engine_tests", "--gtest_also_run_disabled_tests",
          "--gtest_filter=Team.DISABLED_WorkerThatGetsASignal", static_cast<char*>(nullptr));
    _exit(1);
  }
  std::pair<std::string, double> result;
  {
    Control control;
    const auto team = canal::join_team(worker(1 - rank, 2, port, timeout_s), control);
    team->barrier(control);
    const auto start = Clock::now();
    std::vector<double> values(1000);
    result.first = outcome_of([&] { team->sum(values, control); });
    team->leave();
    result.second = seconds_since(start);
  }
  kill(other, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFSIGNALED(status));
  return result;
}

}  // namespace

TEST(Team, AWorkerThatIsKilledEndsTheOthersCalls) {
  SKIP_WITHOUT_GLOO();
  for (const int rank : {0, 1}) {
    const auto [outcome, seconds] = beside_one_with_signal(SIGKILL, rank, 20);
    const std::string lost = "broke up: rank " + std::to_string(rank) + " ended, failed or left";
    EXPECT_TRUE(contains(outcome, lost)) << outcome;
    EXPECT_LT(seconds, 5);
  }
}

// Seconds in which the other process, too, has to start and join: instrumented ones take longer.
#ifdef CANALR_SANITIZED
constexpr int patience = 60;
#else
constexpr int patience = 3;
#endif

// Rank 0 holds the table of the team, which then answers nobody either.
TEST(Team, AWorkerWhoseMachineStopsEndsTheOthersCallsByTheTimeout) {
  SKIP_WITHOUT_GLOO();
  const auto [outcome, seconds] = beside_one_with_signal(SIGSTOP, 0, patience);
  EXPECT_TRUE(contains(outcome, "no answer within " + std::to_string(patience) + " s")) << outcome;
  EXPECT_LT(seconds, 2 * patience);
}

TEST(Team, SilenceIsBorneForTheTimeoutOnly) {
  SKIP_WITHOUT_GLOO();
  const auto outcomes =
      in_team({[](Team& team) {
                 team.barrier(Control());
                 ADD_FAILURE() << "nobody else came";
               },
               [](Team&) { std::this_thread::sleep_for(std::chrono::milliseconds(2500)); }},
              2);
  EXPECT_TRUE(contains(outcomes[0], "team: ") && contains(outcomes[0], "no answer within 2 s"))
      << outcomes[0];
}

TEST(Team, CallsThatDoNotMatchAreTold) {
  SKIP_WITHOUT_GLOO();
  const Work unlike = [](Team& team) {
    Control control;
    std::vector<float> values(10 * (1 + team.rank()));
    team.sum(values, control);
  };
  const auto start = Clock::now();
  const auto outcomes = in_team(2, unlike);
  EXPECT_LT(seconds_since(start), 8);
  const std::string all = outcomes[0] + outcomes[1];
  EXPECT_TRUE(contains(all, "sum of 10 float32") && contains(all, "sum of 20 float32")) << all;
  for (const std::string& outcome : outcomes) EXPECT_TRUE(contains(outcome, "team: ")) << outcome;
}

TEST(Team, WaitingCanBeCancelled) {
  SKIP_WITHOUT_GLOO();
  const auto outcomes =
      in_team({[](Team& team) {
                 Control control;
                 std::thread user([&control] {
                   std::this_thread::sleep_for(std::chrono::milliseconds(300));
                   control.cancel = true;
                 });
                 const auto start = Clock::now();
                 const std::string outcome = outcome_of([&] { team.barrier(control); });
                 EXPECT_LT(seconds_since(start), 1.3);
                 user.join();
                 EXPECT_EQ(outcome, "cancelled");
                 EXPECT_TRUE(contains(outcome_of([&] { team.barrier(Control()); }), "interrupted"));
               },
               [](Team& team) {
                 std::this_thread::sleep_for(std::chrono::milliseconds(800));
                 team.barrier(Control());
               }});
  EXPECT_EQ(outcomes[0], "");
  EXPECT_TRUE(contains(outcomes[1], "team: ")) << outcomes[1];
}

TEST(Team, JoiningEndsByTimeoutOrCancel) {
  SKIP_WITHOUT_GLOO();
  const int port = canal::free_port();
  Control control;
  const auto join = [&](int rank, double timeout_s) {
    return outcome_of([&] { canal::join_team(worker(rank, 2, port, timeout_s), control); });
  };
  const std::string unheard = join(1, 0.3);
  EXPECT_TRUE(contains(unheard, "team: Rank 0 does not listen at 127.0.0.1:")) << unheard;
  const std::string waited = join(0, 0.3);
  EXPECT_TRUE(contains(waited, "team: Only 1 of 2 workers have come")) << waited;
  for (const int rank : {0, 1}) {
    control.cancel = false;
    std::thread user([&control] {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      control.cancel = true;
    });
    const auto start = Clock::now();
    EXPECT_EQ(join(rank, 60), "cancelled");
    EXPECT_LT(seconds_since(start), 1.2);
    user.join();
  }
}

TEST(Team, WorkersThatDisagreeAreTold) {
  SKIP_WITHOUT_GLOO();
  const auto both = [](const TeamOptions& first, const TeamOptions& second) {
    std::string outcomes[2];
    std::thread other(
        [&] { outcomes[1] = outcome_of([&] { canal::join_team(second, Control()); }); });
    outcomes[0] = outcome_of([&] { canal::join_team(first, Control()); });
    other.join();
    return outcomes[0] + outcomes[1];
  };
  int port = canal::free_port();
  std::string outcome = both(worker(0, 3, port, 3), worker(1, 2, port, 3));
  EXPECT_TRUE(contains(outcome, "Workers expect teams of")) << outcome;
  port = canal::free_port();
  outcome = both(worker(0, 2, port, 1), worker(0, 2, port, 1));
  EXPECT_TRUE(contains(outcome, "team: ")) << outcome;
}

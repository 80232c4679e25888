#ifdef CANALR_GLOO
#include "engine/team/gloo_team.h"

#include <ATen/ops/from_blob.h>

#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX' own, with masks

#include <cmath>
#include <cstdlib>
#include <future>
#include <mutex>
#include <thread>

#include "engine/team/connections.h"
#include "engine/team/meeting.h"

namespace canal {

namespace {

using Group = c10d::ProcessGroupGloo;
using GroupPointer = c10::intrusive_ptr<Group>;
constexpr auto poll_interval = std::chrono::milliseconds(50);

// "1, 2"
std::string listed(const std::vector<int>& ranks) {
  std::string text;
  for (const int rank : ranks) text += (text.empty() ? "" : ", ") + std::to_string(rank);
  return text;
}

// What a call is, in words; equal on all workers that make the same call.
std::string call_name(const char* verb, int64_t count, const char* type) {
  return std::string(verb) + " of " + std::to_string(count) + " " + type;
}

// While a call is waited for, every worker writes down in the table where it is, and looks whether
// the others are elsewhere. Returns rank and call of one that is; "" if none is known.
std::string conflict_in(c10d::TCPStore& table, int rank, int size, int64_t place,
                        const std::string& what) {
  const auto key = [](int of) { return "call of " + std::to_string(of); };
  const std::string own = std::to_string(place) + " " + what;
  table.set(key(rank), {own.begin(), own.end()});
  for (int other = 0; other < size; ++other) {
    if (other == rank || !table.check({key(other)})) continue;
    const std::vector<uint8_t> bytes = table.get(key(other));
    const std::string theirs(bytes.begin(), bytes.end());
    const size_t space = theirs.find(' ');
    if (std::stoll(theirs.substr(0, space)) == place && theirs != own) {
      return "rank " + std::to_string(other) + " waits in a " + theirs.substr(space + 1) +
             ", rank " + std::to_string(rank) + " in a " + what;
    }
  }
  return "";
}

// Starts what cannot be interrupted, and may last as long as another machine is silent, on a thread
// that goes on behind the back of whoever does not wait for it. It must own all it uses.
template <class Work>
auto in_background(Work&& work) {
  std::packaged_task<decltype(work())()> task(std::forward<Work>(work));
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  return result;
}

template <class Result>
bool is_ready(const std::future<Result>& result, std::chrono::milliseconds patience) {
  return result.wait_for(patience) == std::future_status::ready;
}

class GlooTeam final : public Team {
 public:
  GlooTeam(const TeamOptions& options, c10::intrusive_ptr<c10d::TCPStore> table, GroupPointer group)
      : Team(options.rank, options.size),
        timeout_s_(options.timeout_s),
        table_(std::move(table)),
        group_(std::move(group)),
        connections_(std::make_unique<Connections>(*group_, *table_)) {}
  ~GlooTeam() override { leave(); }

  void sum(float* values, int64_t count, const Control& control) override {
    sum_tensor(at::from_blob(values, {count}, at::kFloat), call_name("sum", count, "float32"),
               control);
  }

  void sum(double* values, int64_t count, const Control& control) override {
    sum_tensor(at::from_blob(values, {count}, at::kDouble), call_name("sum", count, "float64"),
               control);
  }

  void broadcast(uint8_t* data, int64_t bytes, int root, const Control& control) override {
    if (root < 0 || root >= size()) throw Error(ErrorKind::input, "There is no such rank.");
    if (bytes == 0) return;
    std::vector<at::Tensor> tensors{at::from_blob(data, {bytes}, at::kByte)};
    c10d::BroadcastOptions how;
    how.rootRank = root;
    const std::string from = "bytes from rank " + std::to_string(root);
    call(call_name("broadcast", bytes, from.c_str()), control,
         [&](Group& group) { return group.broadcast(tensors, how); });
  }

  void leave() override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!group_) return;
    connections_->shut();
    group_.reset();
    sent_ = connections_->bytes_sent();
    connections_.reset();
    table_.reset();
  }

  int64_t bytes_sent() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return connections_ ? connections_->bytes_sent() : sent_;
  }

 private:
  // Gloo adds up in a ring: every value's sum is made by one worker, in an order that depends on
  // its place alone, and then handed round. So all workers have the same bits.
  void sum_tensor(const at::Tensor& tensor, const std::string& what, const Control& control) {
    if (tensor.numel() == 0) return;
    std::vector<at::Tensor> tensors{tensor};
    call(what, control, [&](Group& group) { return group.allreduce(tensors); });
  }

  template <class Start>
  void call(const std::string& what, const Control& control, Start&& start) {
    control.check();
    if (!group_) {
      throw Error(ErrorKind::team, broken_.empty() ? "This worker has left its team." : broken_);
    }
    number_next_call(*group_, ++place_, what);
    const auto future = start(*group_)->getFuture();
    // The numbers are the caller's, so this returns only when Gloo is done with them.
    const std::string conflict = wait(*future, what, control);
    if (control.cancel) {
      break_up("The team broke up: it was interrupted.");
      throw Cancelled();
    }
    if (future->hasError()) break_up_after(future->exception_ptr(), conflict);
  }

  // Returns what the workers disagree about, if they do.
  std::string wait(c10::ivalue::Future& future, const std::string& what, const Control& control) {
    constexpr int polls_before_asking = 20;
    auto done = std::make_shared<std::promise<void>>();
    std::future<void> ended = done->get_future();
    future.addCallback([done](c10::ivalue::Future&) { done->set_value(); });
    std::future<std::string> asked;
    std::string conflict;
    bool shut = false;
    for (int poll = 1; !is_ready(ended, poll_interval); ++poll) {
      if (shut) continue;
      if (!asked.valid() && poll % polls_before_asking == 0) asked = ask_others(what);
      if (asked.valid() && is_ready(asked, std::chrono::milliseconds(0))) conflict = asked.get();
      if (!control.cancel && conflict.empty()) continue;
      connections_->shut();
      shut = true;
    }
    return conflict;
  }

  // Without rank 0 the table cannot be read; but then its connection is closed and the call ends,
  // or it is silent and the call ends by its timeout.
  std::future<std::string> ask_others(const std::string& what) {
    return in_background([table = table_, rank = rank(), size = size(), place = place_, what] {
      try {
        return conflict_in(*table, rank, size, place, what);
      } catch (const std::exception&) {
        return std::string();
      }
    });
  }

  void break_up(const std::string& why) {
    leave();
    broken_ = why;
  }

  [[noreturn]] void break_up_after(const std::exception_ptr& problem, const std::string& conflict) {
    const std::vector<int> closed = connections_->closed();
    std::string why = "The team of " + std::to_string(size()) + " workers broke up: ";
    try {
      std::rethrow_exception(problem);
    } catch (...) {
      const std::string text = describe_current_exception().message;
      if (!conflict.empty()) {
        why += "the workers do not make the same calls; " + conflict + ".";
      } else if (text.find("Timed out") != std::string::npos) {
        why += "no answer within " + std::to_string(std::lround(timeout_s_)) + " s.";
      } else if (!closed.empty()) {
        why += "rank " + listed(closed) + " ended, failed or left.";
      } else {
        why += text;
      }
    }
    break_up(why);
    throw Error(ErrorKind::team, why);
  }

  const double timeout_s_;
  c10::intrusive_ptr<c10d::TCPStore> table_;
  GroupPointer group_;
  std::unique_ptr<Connections> connections_;
  mutable std::mutex mutex_;  // leaving and asking may come from another thread than the calls
  std::string broken_;
  int64_t place_ = 0;  // calls made
  int64_t sent_ = 0;   // as the connections were closed
};

std::shared_ptr<gloo::transport::Device> device_at(const std::string& address) {
  const char* named = std::getenv("GLOO_SOCKET_IFNAME");
  if (named == nullptr || *named == '\0') return Group::createDeviceForHostname(address);
  const std::string interfaces = named;
  return Group::createDeviceForInterface(interfaces.substr(0, interfaces.find(',')));
}

// Writing to a connection that is closed is an error, not the end of the process; the threads of
// Gloo that this one starts inherit that.
void block_sigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// Connects to all others; ends by Gloo's timeouts if nobody waits for it any longer.
GroupPointer connect(const TeamOptions& options, const Meeting& meeting, const Deadline& deadline,
                     const Control& control) {
  auto how = Group::Options::create(
      std::chrono::milliseconds(std::max<int64_t>(1, std::llround(options.timeout_s * 1000))));
  how->threads = 1;
  auto group = in_background([table = meeting.table, rank = options.rank, size = options.size,
                              address = meeting.own_address, how] {
    block_sigpipe();
    how->devices.push_back(device_at(address));
    return c10::make_intrusive<Group>(table, rank, size, how);
  });
  while (!is_ready(group, poll_interval)) {
    control.check();
    if (deadline.passed()) {
      throw Error(ErrorKind::team,
                  "The workers found but could not reach each other; is there a firewall between "
                  "them?");
    }
  }
  return group.get();
}

}  // namespace

std::shared_ptr<Team> join_gloo_team(const TeamOptions& options, const Control& control) {
  const Deadline deadline(options.timeout_s);
  try {
    const Meeting meeting = meet(options, deadline, control);
    auto team = std::make_shared<GlooTeam>(options, meeting.table,
                                           connect(options, meeting, deadline, control));
    // Rank 0 takes the table with it when it leaves, so nobody leaves before all have connected.
    team->barrier(control);
    return team;
  } catch (const c10::Error&) {
    throw Error(ErrorKind::team, "Joining the team at " + place_name(options) + " failed. " +
                                     describe_current_exception().message);
  }
}

}  // namespace canal
#endif

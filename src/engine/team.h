// Several processes, on one machine or many, that compute together: sums of numbers over all of
// them. A worker is one of the processes; its rank is 0 to size - 1.
//
// All workers make the same calls in the same order. A call ends when all have made it. When one
// is lost (it ended, failed or left) the others' call ends at once with an Error of kind `team`,
// and so does every later one; when one merely stays silent, after `timeout_s`. There is no way
// back into a team: what follows is a new one.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/control.h"

namespace canal {

struct TeamOptions {
  std::string address;  // where rank 0 listens: a name or number of its machine
  int port;             // and its TCP port there
  int rank;             // of this worker
  int size;             // workers in all
  double timeout_s;     // longest wait for the others, in joining and in every call
};

class Team {
 public:
  Team(int rank, int size) : rank_(rank), size_(size) {}
  virtual ~Team() = default;
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  // In place: every value becomes the sum of all workers' values there. All get the same bits, and
  // the same at every run with as many workers.
  virtual void sum(float* values, int64_t count, const Control& control) = 0;
  virtual void sum(double* values, int64_t count, const Control& control) = 0;
  void sum(std::vector<float>& values, const Control& control);
  void sum(std::vector<double>& values, const Control& control);

  // In place: all workers get what `root` has.
  virtual void broadcast(uint8_t* data, int64_t bytes, int root, const Control& control) = 0;

  // Ends when all workers have come to it.
  void barrier(const Control& control);

  // Closes the connections, so that the others' calls fail at once. The destructor does it too.
  virtual void leave() = 0;

  // Bytes that the system has sent to other workers for this team, as the kernel counts them:
  // headers of Gloo's messages included, what had to be sent again not.
  virtual int64_t bytes_sent() const = 0;

 private:
  const int rank_;
  const int size_;
};

// Waits for all workers. A team of one needs nobody and nothing.
std::shared_ptr<Team> join_team(const TeamOptions& options, const Control& control);

// What carries the sums: "Gloo", or "" where canalR was built without and teams are of one.
std::string team_backend();

// A TCP port that nobody listens on at the moment.
int free_port();

}  // namespace canal

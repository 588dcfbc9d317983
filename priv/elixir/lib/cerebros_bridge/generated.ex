defmodule CerebrosBridge.Generated do
  @moduledoc """
  The contract of the bridge as a table. Written by `make proto`; do not change it by hand.

  A type is one of `:string`, `:integer`, `:float`, `:boolean`, `:time`, `:any`, a document `:map`,
  `{:list, type}`, `{:map, type}` with texts as keys, `{:struct, name}`, `{:word, vocabulary}`, and
  `{:union, field, %{tag => struct}}`, whose `field` has the tag. An `optional` field may be left out;
  a `nullable` one may be nil.
  """

  @procedures %{
    "best_trials" => %{
      streams: false,
      request: "BestTrials",
      reply: "StudyTrialList",
      doc: "List the trials of a study that no other trial beats, by number."
    },
    "cancel_run" => %{
      streams: false,
      request: "CancelRun",
      reply: "Run",
      doc: "Ask a run to end; one that has ended already is answered as it is."
    },
    "check_dataset" => %{
      streams: false,
      request: "CheckDataset",
      reply: "DatasetReport",
      doc: "Read a dataset through its manifest and report on it."
    },
    "check_gate" => %{
      streams: false,
      request: "CheckGate",
      reply: "GateReport",
      doc: "Ask the Balance Readiness Gate.\n\nNOT_FOUND for a PAC that never had a run."
    },
    "create_study" => %{
      streams: false,
      request: "CreateStudy",
      reply: "Study",
      doc:
        "Open an optimiser for a caller who evaluates by itself.\n\nThe same `study_id` with the same content answers the same study; with other content ALREADY_EXISTS."
    },
    "delete_study" => %{
      streams: false,
      request: "DeleteStudy",
      reply: "Study",
      doc: "Forget a study with its trials, and answer it as it stood."
    },
    "drain" => %{
      streams: false,
      request: "Drain",
      reply: "HealthReport",
      doc:
        "Take this server process out of service: it is no longer ready and refuses new runs; runs at work go on.\n\n`undrain` takes it back into service."
    },
    "estimate" => %{
      streams: false,
      request: "EstimateRun",
      reply: "RunEstimate",
      doc:
        "Estimate what a run of this `spec` would take, by measured runs of the same kind on the same dataset.\n\nFAILED_PRECONDITION where there are none."
    },
    "evaluate_policy" => %{
      streams: false,
      request: "EvaluatePolicy",
      reply: "Verdict",
      doc:
        "Judge the model of a finished run by the policy in force now; the signed verdict is kept.\n\nFAILED_PRECONDITION where the run has not ended or has no scored model."
    },
    "get_artifact" => %{
      streams: false,
      request: "GetArtifact",
      reply: "Artifact",
      doc: "Read where an artifact is, after its bytes were checked against its digest."
    },
    "get_capability" => %{
      streams: false,
      request: "GetCapability",
      reply: "VcvEntry",
      doc: "Read a PAC's current capability vector, or one version of it."
    },
    "get_run" => %{
      streams: false,
      request: "GetRun",
      reply: "Run",
      doc: "Read one run as it stands."
    },
    "get_training_lock" => %{
      streams: false,
      request: "GetTrainingLock",
      reply: "TrainingLock",
      doc: "Read a PAC's training lock, and the run that trains it now."
    },
    "health" => %{
      streams: false,
      request: "Health",
      reply: "HealthReport",
      doc: "Report how the service is doing; an unreachable database is an answer, not an error."
    },
    "limit_queue" => %{
      streams: false,
      request: "LimitQueue",
      reply: "QueueList",
      doc: "Limit how many runs of a queue may be at work at once, on all machines together."
    },
    "list_artifacts" => %{
      streams: false,
      request: "ListArtifacts",
      reply: "ArtifactList",
      doc: "List the artifacts that a run left."
    },
    "list_capabilities" => %{
      streams: false,
      request: "ListCapabilities",
      reply: "VcvList",
      doc: "List capability vectors, newest first."
    },
    "list_datasets" => %{
      streams: false,
      request: "ListDatasets",
      reply: "DatasetList",
      doc: "List the datasets that were checked, newest check first."
    },
    "list_queues" => %{
      streams: false,
      request: "ListQueues",
      reply: "QueueList",
      doc: "List the queues with their waiting and working runs."
    },
    "list_runs" => %{
      streams: false,
      request: "ListRuns",
      reply: "RunList",
      doc: "List runs, newest first."
    },
    "list_studies" => %{
      streams: false,
      request: "ListStudies",
      reply: "StudyList",
      doc: "List studies, newest first."
    },
    "list_trials" => %{
      streams: false,
      request: "ListTrials",
      reply: "TrialList",
      doc:
        "List a page of a run's trials, in order of their numbers; the last page is shorter than `limit`."
    },
    "nearest_capabilities" => %{
      streams: false,
      request: "NearestCapabilities",
      reply: "NeighbourList",
      doc:
        "List the current capability vectors of other PACs by cosine distance, nearest first.\n\nAll of them are compared, so none is missed; PACs at the same distance are in the order of their ids."
    },
    "promote" => %{
      streams: false,
      request: "Promote",
      reply: "VcvEntry",
      doc:
        "Write the model of a finished run as its PAC's next capability vector, under the run's newest verdict.\n\nA verdict promotes once; asking again answers the version it wrote. PERMISSION_DENIED where the verdict denies or has expired."
    },
    "report" => %{
      streams: false,
      request: "Report",
      reply: "StudyTrial",
      doc:
        "Report how a trial of a study ended.\n\nThe same report again answers the same; another one ALREADY_EXISTS; one of an attempt before the trial's FAILED_PRECONDITION."
    },
    "rollback" => %{
      streams: false,
      request: "Rollback",
      reply: "VcvEntry",
      doc:
        "Make an earlier version current again, by writing it as a new version.\n\nAsking again for the same reason answers the version it wrote, while that is the newest."
    },
    "set_training_lock" => %{
      streams: false,
      request: "SetTrainingLock",
      reply: "TrainingLock",
      doc: "Open or close a PAC for training."
    },
    "shortlist" => %{
      streams: false,
      request: "GetShortlist",
      reply: "Shortlist",
      doc: "Read the candidates that the Parzen estimator proposed for a run."
    },
    "start_run" => %{
      streams: false,
      request: "StartRun",
      reply: "Run",
      doc:
        "Start a run for one PAC; `spec` says of which kind, and what that kind needs to know.\n\nThe answer comes at once and a worker does the work. The same `run_id` with the same payload answers the same run; with another payload ALREADY_EXISTS."
    },
    "suggest" => %{
      streams: false,
      request: "Suggest",
      reply: "SuggestionList",
      doc:
        "Ask for the next trials; each call hands out others, also when it is a retry.\n\nTrials whose lease ran out come first, under a raised attempt, then new ones while fewer than 256 are out. RESOURCE_EXHAUSTED where there is not one to hand out."
    },
    "undrain" => %{
      streams: false,
      request: "Undrain",
      reply: "HealthReport",
      doc:
        "Take this server process back into service after a drain.\n\nFAILED_PRECONDITION where it drains because it was told to end."
    },
    "watch_run" => %{
      streams: true,
      request: "WatchRun",
      reply: "RunEvent",
      doc:
        "Stream a run's events without gap or repeat, the stored ones first, until the run has ended."
    }
  }

  @types %{
    "Artifact" => %{
      doc: "Content-addressed bytes that a run left.",
      fields: [
        digest: %{
          type: :string,
          doc: "SHA-256 of the bytes."
        },
        kind: %{
          type: :string,
          doc: "`weights`, or the `description` of their network."
        },
        bytes: %{
          type: :integer,
          doc: "Number of bytes."
        },
        path: %{
          type: :string,
          doc: "Path of the bytes on the bridge's host."
        },
        run_id: %{
          type: :string,
          doc: "Run that left them."
        },
        created_at: %{
          type: :time,
          doc: "Time at which they were stored."
        }
      ]
    },
    "ArtifactList" => %{
      doc: "Artifacts of a run.",
      fields: [
        artifacts: %{
          type: {:list, {:struct, "Artifact"}},
          doc: "Artifacts, in order of creation."
        }
      ]
    },
    "BestTrials" => %{
      doc: "List the trials of a study that no other trial beats, by number.",
      fields: [
        study_id: %{
          type: :string,
          doc:
            "Id of the study. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        limit: %{
          type: :integer,
          optional: true,
          default: 50,
          doc: "Largest number of trials in the answer. 1 to 1,000; 50 when absent."
        }
      ]
    },
    "Budget" => %{
      doc: "Limits on what a search may spend.",
      fields: [
        trials: %{
          type: :integer,
          optional: true,
          default: 24,
          doc: "Number of candidates trained. 1 to 10,000; 24 when absent."
        },
        wall_s: %{
          type: :float,
          optional: true,
          default: 900.0,
          doc:
            "Seconds from the run's start to its last trial's start. Above 0, at most 2,592,000; 900 when absent."
        },
        parameters: %{
          type: :integer,
          optional: true,
          default: 2_000_000,
          doc:
            "Largest number of trainable weights of a candidate. 1 to 1,000,000,000; 2,000,000 when absent."
        },
        flops: %{
          type: :integer,
          optional: true,
          nullable: true,
          doc:
            "Largest number of floating-point operations of one prediction, two per multiply-accumulate; no limit when absent. 1 to 9,007,199,254,740,992."
        },
        epochs: %{
          type: :integer,
          optional: true,
          default: 24,
          doc:
            "Largest number of passes over the training rows per trial. 1 to 10,000; 24 when absent."
        },
        probes: %{
          type: :integer,
          optional: true,
          default: 12,
          doc:
            "Number of one-epoch trainings that inform the shortlist where the database knows fewer than 8 earlier trials on the dataset. 4 to 1,000; 12 when absent."
        },
        shortlist: %{
          type: :integer,
          optional: true,
          default: 6,
          doc:
            "Number of candidates that the Parzen estimator hands to the search. 1 to 1,000; 6 when absent."
        },
        window: %{
          type: :integer,
          optional: true,
          default: 4,
          doc:
            "Largest number of trainings in flight. Training n is decided from the results of trainings 0 to n - window, whatever finished first. 1 to 256; 4 when absent."
        },
        population: %{
          type: :integer,
          optional: true,
          default: 1,
          doc:
            "Number of new candidates proposed together and trained side by side in one process, as one training of the window. Above 1 it is fast for narrow data and on a GPU; seconds and joules of a trial are then its share. 1 to 64; 1 when absent."
        },
        rungs: %{
          type: :integer,
          optional: true,
          default: 1,
          doc:
            "Number of rungs of successive halving. 1 trains every trial to the end; with more, trials wait at rungs (3: after 1/9 and 1/3 of the epochs), only the best third goes on from each, and the others end as `pruned`. 1 to 5; 1 when absent."
        },
        repeats: %{
          type: :integer,
          optional: true,
          default: 1,
          doc:
            "Number of seeds that each of the most accurate few of the Pareto set is trained with before the best mean is chosen; 1 repeats nothing. 1 to 16; 1 when absent."
        }
      ]
    },
    "CancelRun" => %{
      doc: "Ask a run to end; one that has ended already is answered as it is.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        reason: %{
          type: :string,
          optional: true,
          doc: "Reason, for those who read the log. At most 1,024 characters."
        }
      ]
    },
    "Candidate" => %{
      doc: "A shortlisted tree with its Parzen log densities.",
      fields: [
        rank: %{
          type: :integer,
          doc: "Place in the shortlist, the best first."
        },
        tree: %{
          type: :map,
          doc: "Rose tree of the candidate."
        },
        tree_hash: %{
          type: :string,
          doc: "Digest of the tree; equal trees have equal digests."
        },
        log_l: %{
          type: :float,
          doc: "Log density under the good trials."
        },
        log_g: %{
          type: :float,
          doc: "Log density under the rest."
        },
        score: %{
          type: :float,
          doc: "`log_l` minus `log_g`; more is more promising."
        }
      ]
    },
    "CheckDataset" => %{
      doc: "Read a dataset through its manifest and report on it.",
      fields: [
        manifest: %{
          type: :string,
          doc:
            "Path of the dataset manifest on the bridge's host. Callers other than the command line reach those in CEREBROS_DATASET_ROOTS alone, and may begin a path there, or with a root's own name: `examples/digits.toml`. 1 to 4,096 characters."
        }
      ]
    },
    "CheckGate" => %{
      doc: "Ask the Balance Readiness Gate.\n\nNOT_FOUND for a PAC that never had a run.",
      fields: [
        pac_id: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "PAC to judge; the whole platform when absent. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "CreateStudy" => %{
      doc:
        "Open an optimiser for a caller who evaluates by itself.\n\nThe same `study_id` with the same content answers the same study; with other content ALREADY_EXISTS.",
      fields: [
        space: %{
          type: {:map, :any},
          doc:
            "Decisions to make: `{root, types, limits}`, each type with its `params` (`float`, `int`, `choice` or `ordered`) and `slots` of ordered children. A parameter with `when: {other: [values]}` exists where the other one has such a value; `limits` bound the whole tree: `{count: type, at_most: n}`, `{sum: \"type.param\", at_least: n}`. Numbers are finite and within ±2^53. Its largest tree may have 16 levels, and 1,024 nodes, decisions and values that conditions name; its rules may list 20,000 values. Flat forms are read as well: a map of ranges and choices, or a list of parameters as `{parameters: [{name, type, …}]}`."
        },
        objectives: %{
          type: {:list, {:struct, "StudyObjective"}},
          doc:
            "Figures to optimise; a proposal's cost grows steeply with their number. 1 to 4 entries."
        },
        study_id: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "Id that the caller gives the study; a UUIDv7 when absent. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        sampler: %{
          type: {:word, "StudySampler"},
          optional: true,
          default: "rose",
          doc: "Proposer of trials. `rose`, `rose-parzen` or `random`; `rose` when absent."
        },
        seed: %{
          type: :integer,
          optional: true,
          default: 8_675_309,
          doc: "Seed of every random choice. 0 to 9,007,199,254,740,992; 8,675,309 when absent."
        },
        lease_s: %{
          type: :float,
          optional: true,
          default: 3600.0,
          doc:
            "Seconds after which a trial without a report is handed out again. Above 0, at most 2,592,000; 3,600 when absent."
        }
      ]
    },
    "Cycle" => %{
      doc:
        "A whole training cycle: an architecture search, a policy verdict on its model, and its promotion.",
      fields: [
        manifest: %{
          type: :string,
          doc:
            "Path of the dataset manifest on the bridge's host. Callers other than the command line reach those in CEREBROS_DATASET_ROOTS alone, and may begin a path there, or with a root's own name: `examples/digits.toml`. 1 to 4,096 characters."
        },
        task: %{
          type: :string,
          optional: true,
          doc:
            "Ability that the PAC is trained for, in words; it becomes the capability embedding. The manifest's description when empty. At most 4,096 characters."
        },
        budget: %{
          type: {:struct, "Budget"},
          optional: true,
          doc: "Limits on what the search may spend. The defaults of its fields when absent."
        },
        objectives: %{
          type: {:list, :string},
          optional: true,
          doc:
            "Names of objectives (`accuracy`, `latency`, `energy`, `cost`, `parameters`, `operations`), or the name of one set with limits: `accurate`, `balanced`, `edge`, `frugal`. At least 1 entry; `accuracy`, `latency`, `energy`, `cost` when absent."
        },
        limits: %{
          type: {:map, :float},
          optional: true,
          doc:
            "Hard limits by objective, in the unit of its figure: accuracy at least, all others at most. The search prefers candidates within them; a model that breaks one in the end is not promoted."
        },
        warm_start: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "Ended run on the same dataset, whose trials the search knows from the start. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        candidates: %{
          type: {:list, :map},
          optional: true,
          doc:
            "Trees `{t, p, c}` to try first, such as a reviewed shortlist; the run's own shortlist then holds these and nothing else. At most 1,000 entries."
        },
        sampler: %{
          type: {:word, "Sampler"},
          optional: true,
          default: "rose",
          doc:
            "Proposer of candidates: `rose` screens them with a Gaussian process, `rose-parzen` trusts the Parzen densities alone, `optuna-motpe` and `nsga2` (population 20) are Optuna's, `random` is the baseline. `rose` when absent."
        },
        seed: %{
          type: :integer,
          optional: true,
          default: 8_675_309,
          doc: "Seed of every random choice. 0 to 9,007,199,254,740,992; 8,675,309 when absent."
        }
      ]
    },
    "Dataset" => %{
      doc: "A dataset that was checked.",
      fields: [
        name: %{
          type: :string,
          doc: "Name of the dataset."
        },
        digest: %{
          type: :string,
          doc: "SHA-256 of its sources, columns, task and split."
        },
        task: %{
          type: :string,
          doc: "`classification`, `multilabel` or `regression`."
        },
        rows: %{
          type: :integer,
          doc: "Number of rows."
        },
        licence: %{
          type: :string,
          doc: "Licence that the manifest names."
        },
        checked_at: %{
          type: :time,
          doc: "Time of the last check."
        }
      ]
    },
    "DatasetList" => %{
      doc: "Datasets of a list.",
      fields: [
        datasets: %{
          type: {:list, {:struct, "Dataset"}},
          doc: "Datasets, newest check first."
        }
      ]
    },
    "DatasetReport" => %{
      doc: "Findings of a dataset check; shares are of all feature cells.",
      fields: [
        name: %{
          type: :string,
          doc: "Name of the dataset."
        },
        digest: %{
          type: :string,
          doc: "SHA-256 of its sources, columns, task and split."
        },
        task: %{
          type: :string,
          doc: "`classification`, `multilabel` or `regression`."
        },
        label: %{
          type: :string,
          doc: "Name of the column to predict."
        },
        rows: %{
          type: :integer,
          doc: "Number of rows."
        },
        columns: %{
          type: :integer,
          doc: "Number of columns."
        },
        features: %{
          type: :integer,
          doc: "Number of columns that a model may see."
        },
        inputs: %{
          type: :integer,
          doc: "Width of a row once it is encoded for a network."
        },
        train_rows: %{
          type: :integer,
          doc: "Number of rows that train."
        },
        validation_rows: %{
          type: :integer,
          doc: "Number of rows that choose between candidates."
        },
        test_rows: %{
          type: :integer,
          doc: "Number of rows that judge the chosen candidate."
        },
        missing: %{
          type: {:map, :integer},
          doc: "Number of cells without a value, per column that has any."
        },
        nan_share: %{
          type: :float,
          doc: "Share of cells that are not a number."
        },
        infinity_share: %{
          type: :float,
          doc: "Share of cells that are infinite."
        },
        label_balance: %{
          type: {:map, :integer},
          doc: "Number of rows per class; empty for regression."
        },
        duplicates: %{
          type: :integer,
          doc: "Number of rows that repeat an earlier row, label included."
        },
        leaked_rows: %{
          type: :integer,
          doc: "Number of test rows whose features also stand in a training or validation row."
        },
        warnings: %{
          type: {:list, :string},
          doc: "Remarks that the owner should look at, in words."
        }
      ]
    },
    "DeleteStudy" => %{
      doc: "Forget a study with its trials, and answer it as it stood.",
      fields: [
        study_id: %{
          type: :string,
          doc:
            "Id of the study. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "Drain" => %{
      doc:
        "Take this server process out of service: it is no longer ready and refuses new runs; runs at work go on.\n\n`undrain` takes it back into service.",
      fields: []
    },
    "EstimateRun" => %{
      doc:
        "Estimate what a run of this `spec` would take, by measured runs of the same kind on the same dataset.\n\nFAILED_PRECONDITION where there are none.",
      fields: [
        spec: %{
          type: {:union, :kind, %{"cycle" => "Cycle", "nas" => "Nas"}},
          doc: "Kind of the run, and what that kind needs to know."
        }
      ]
    },
    "EvaluatePolicy" => %{
      doc:
        "Judge the model of a finished run by the policy in force now; the signed verdict is kept.\n\nFAILED_PRECONDITION where the run has not ended or has no scored model.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "GateFinding" => %{
      doc: "One rule of the gate and its finding.",
      fields: [
        rule: %{
          type: :string,
          doc: "Name of the rule."
        },
        status: %{
          type: {:word, "GateStatus"},
          doc: "Judgement of the rule. `healthy`, `warning` or `critical`."
        },
        value: %{
          type: :float,
          nullable: true,
          doc: "Figure found; absent where nothing was measured yet."
        },
        limit: %{
          type: :float,
          nullable: true,
          doc: "Figure that the rule allows; absent where it has none."
        },
        message: %{
          type: :string,
          doc: "Finding, in words."
        }
      ]
    },
    "GateReport" => %{
      doc: "Answer of the Balance Readiness Gate.",
      fields: [
        overall_status: %{
          type: {:word, "GateStatus"},
          doc: "Worst status of any finding. `healthy`, `warning` or `critical`."
        },
        timestamp: %{
          type: :time,
          doc: "Time at which the gate was asked."
        },
        findings: %{
          type: {:list, {:struct, "GateFinding"}},
          doc: "Findings, one per rule."
        }
      ]
    },
    "GetArtifact" => %{
      doc: "Read where an artifact is, after its bytes were checked against its digest.",
      fields: [
        digest: %{
          type: :string,
          doc: "SHA-256 of the bytes. 64 lower-case hexadecimal digits."
        }
      ]
    },
    "GetCapability" => %{
      doc: "Read a PAC's current capability vector, or one version of it.",
      fields: [
        pac_id: %{
          type: :string,
          doc: "Id of the PAC. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        version: %{
          type: :integer,
          optional: true,
          nullable: true,
          doc: "Version to read; the current one when absent. 1 to 2,147,483,647."
        }
      ]
    },
    "GetRun" => %{
      doc: "Read one run as it stands.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "GetShortlist" => %{
      doc: "Read the candidates that the Parzen estimator proposed for a run.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "GetTrainingLock" => %{
      doc: "Read a PAC's training lock, and the run that trains it now.",
      fields: [
        pac_id: %{
          type: :string,
          doc: "Id of the PAC. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "Health" => %{
      doc: "Report how the service is doing; an unreachable database is an answer, not an error.",
      fields: []
    },
    "HealthReport" => %{
      doc: "State of the service.",
      fields: [
        status: %{
          type: {:word, "ServingStatus"},
          doc: "Ability of the service to do its work. `serving`, `draining` or `not_serving`."
        },
        version: %{
          type: :string,
          doc: "Version of the bridge."
        },
        database: %{
          type: :string,
          doc: "`reachable`, or the database's error."
        },
        workers: %{
          type: :integer,
          doc: "Number of workers whose heartbeat is fresh."
        },
        queued: %{
          type: :integer,
          doc: "Number of runs that wait."
        },
        running: %{
          type: :integer,
          doc: "Number of runs at work."
        },
        worker: %{
          type: :string,
          doc:
            "State of the worker that this server process keeps, and how the one before ended: `alive`, `starting`, `ended`; `none` where it shall keep none. While its worker has ended or does not start, a server is `not_serving`."
        }
      ]
    },
    "LimitQueue" => %{
      doc: "Limit how many runs of a queue may be at work at once, on all machines together.",
      fields: [
        name: %{
          type: {:word, "Queue"},
          doc: "Name of the queue. `cpu` or `gpu`."
        },
        running_at_most: %{
          type: :integer,
          optional: true,
          nullable: true,
          doc: "Largest number of runs at work at once; no limit when absent. 0 to 1,000,000."
        }
      ]
    },
    "ListArtifacts" => %{
      doc: "List the artifacts that a run left.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "ListCapabilities" => %{
      doc: "List capability vectors, newest first.",
      fields: [
        pac_id: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "PAC whose versions are listed; those of all PACs when absent. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        limit: %{
          type: :integer,
          optional: true,
          default: 50,
          doc: "Largest number of entries in the answer. 1 to 1,000; 50 when absent."
        }
      ]
    },
    "ListDatasets" => %{
      doc: "List the datasets that were checked, newest check first.",
      fields: [
        limit: %{
          type: :integer,
          optional: true,
          default: 50,
          doc: "Largest number of datasets in the answer. 1 to 1,000; 50 when absent."
        }
      ]
    },
    "ListQueues" => %{
      doc: "List the queues with their waiting and working runs.",
      fields: []
    },
    "ListRuns" => %{
      doc: "List runs, newest first.",
      fields: [
        pac_id: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "PAC whose runs are listed; those of all PACs when absent. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        kind: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "Kind of the listed runs; any kind when absent. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        state: %{
          type: {:word, "RunState"},
          optional: true,
          nullable: true,
          doc:
            "State of the listed runs; any state when absent. `queued`, `running`, `succeeded`, `failed`, `cancelled` or `timed_out`."
        },
        limit: %{
          type: :integer,
          optional: true,
          default: 50,
          doc: "Largest number of runs in the answer. 1 to 1,000; 50 when absent."
        }
      ]
    },
    "ListStudies" => %{
      doc: "List studies, newest first.",
      fields: [
        limit: %{
          type: :integer,
          optional: true,
          default: 50,
          doc: "Largest number of studies in the answer. 1 to 1,000; 50 when absent."
        }
      ]
    },
    "ListTrials" => %{
      doc:
        "List a page of a run's trials, in order of their numbers; the last page is shorter than `limit`.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        after: %{
          type: :integer,
          optional: true,
          default: -1,
          doc:
            "Last number of the page before; -1 for the first page. Trials do not end in order: while the run is at work, one that ends later may have a smaller number. At least -1; -1 when absent."
        },
        limit: %{
          type: :integer,
          optional: true,
          default: 1000,
          doc:
            "Largest number of trials in the answer. Ask for fewer where trials have over 300 epochs: their curves pass the 4 MiB that gRPC clients take unless they are told to take more. 1 to 1,000; 1,000 when absent."
        }
      ]
    },
    "Nas" => %{
      doc: "Architecture search: check the data, shortlist, search, score the best candidate.",
      fields: [
        manifest: %{
          type: :string,
          doc:
            "Path of the dataset manifest on the bridge's host. Callers other than the command line reach those in CEREBROS_DATASET_ROOTS alone, and may begin a path there, or with a root's own name: `examples/digits.toml`. 1 to 4,096 characters."
        },
        task: %{
          type: :string,
          optional: true,
          doc:
            "Ability that the PAC is trained for, in words; it becomes the capability embedding. The manifest's description when empty. At most 4,096 characters."
        },
        budget: %{
          type: {:struct, "Budget"},
          optional: true,
          doc: "Limits on what the search may spend. The defaults of its fields when absent."
        },
        objectives: %{
          type: {:list, :string},
          optional: true,
          doc:
            "Names of objectives (`accuracy`, `latency`, `energy`, `cost`, `parameters`, `operations`), or the name of one set with limits: `accurate`, `balanced`, `edge`, `frugal`. At least 1 entry; `accuracy`, `latency`, `energy`, `cost` when absent."
        },
        limits: %{
          type: {:map, :float},
          optional: true,
          doc:
            "Hard limits by objective, in the unit of its figure: accuracy at least, all others at most. The search prefers candidates within them; a model that breaks one in the end is not promoted."
        },
        warm_start: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "Ended run on the same dataset, whose trials the search knows from the start. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        candidates: %{
          type: {:list, :map},
          optional: true,
          doc:
            "Trees `{t, p, c}` to try first, such as a reviewed shortlist; the run's own shortlist then holds these and nothing else. At most 1,000 entries."
        },
        sampler: %{
          type: {:word, "Sampler"},
          optional: true,
          default: "rose",
          doc:
            "Proposer of candidates: `rose` screens them with a Gaussian process, `rose-parzen` trusts the Parzen densities alone, `optuna-motpe` and `nsga2` (population 20) are Optuna's, `random` is the baseline. `rose` when absent."
        },
        seed: %{
          type: :integer,
          optional: true,
          default: 8_675_309,
          doc: "Seed of every random choice. 0 to 9,007,199,254,740,992; 8,675,309 when absent."
        }
      ]
    },
    "NearestCapabilities" => %{
      doc:
        "List the current capability vectors of other PACs by cosine distance, nearest first.\n\nAll of them are compared, so none is missed; PACs at the same distance are in the order of their ids.",
      fields: [
        pac_id: %{
          type: :string,
          doc:
            "PAC from whose current capability vector distances are measured. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        limit: %{
          type: :integer,
          optional: true,
          default: 10,
          doc: "Largest number of neighbours in the answer. 1 to 1,000; 10 when absent."
        }
      ]
    },
    "Neighbour" => %{
      doc: "Another PAC's current capability vector and its distance.",
      fields: [
        entry: %{
          type: {:struct, "VcvEntry"},
          doc: "Current capability vector of the other PAC."
        },
        distance: %{
          type: :float,
          doc: "Cosine distance, 0 to 2."
        }
      ]
    },
    "NeighbourList" => %{
      doc: "Neighbours of a PAC.",
      fields: [
        neighbours: %{
          type: {:list, {:struct, "Neighbour"}},
          doc: "Neighbours, nearest first."
        }
      ]
    },
    "Promote" => %{
      doc:
        "Write the model of a finished run as its PAC's next capability vector, under the run's newest verdict.\n\nA verdict promotes once; asking again answers the version it wrote. PERMISSION_DENIED where the verdict denies or has expired.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        }
      ]
    },
    "QueueList" => %{
      doc: "All queues.",
      fields: [
        queues: %{
          type: {:list, {:struct, "QueueStatus"}},
          doc: "Queues, by name."
        }
      ]
    },
    "QueueStatus" => %{
      doc: "A queue of runs as it stands.",
      fields: [
        name: %{
          type: :string,
          doc: "Name of the queue."
        },
        running_at_most: %{
          type: :integer,
          nullable: true,
          doc: "Largest number of runs at work at once; absent where there is no limit."
        },
        queued: %{
          type: :integer,
          doc: "Number of runs that wait."
        },
        running: %{
          type: :integer,
          doc: "Number of runs at work."
        },
        workers: %{
          type: :integer,
          doc: "Number of workers that take from the queue and gave a sign of life lately."
        }
      ]
    },
    "Report" => %{
      doc:
        "Report how a trial of a study ended.\n\nThe same report again answers the same; another one ALREADY_EXISTS; one of an attempt before the trial's FAILED_PRECONDITION.",
      fields: [
        study_id: %{
          type: :string,
          doc:
            "Id of the study. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        number: %{
          type: :integer,
          doc: "Number of the trial, as suggested. 0 to 2,147,483,647."
        },
        attempt: %{
          type: :integer,
          doc:
            "Attempt of the suggestion; a trial handed out again has a higher one. 1 to 2,147,483,647."
        },
        outcome: %{
          type: {:word, "Outcome"},
          optional: true,
          default: "ok",
          doc:
            "End of the trial: `ok` with a value for each objective, any other without values. `ok`, `pruned`, `diverged`, `oom`, `timeout`, `lost` or `error`; `ok` when absent."
        },
        values: %{
          type: {:map, :float},
          optional: true,
          doc: "Finite value of each objective, by its name; where one is not, report `diverged`."
        },
        reason: %{
          type: :string,
          optional: true,
          doc: "Reason why it ended otherwise than `ok`. At most 1,024 characters."
        }
      ]
    },
    "Rollback" => %{
      doc:
        "Make an earlier version current again, by writing it as a new version.\n\nAsking again for the same reason answers the version it wrote, while that is the newest.",
      fields: [
        pac_id: %{
          type: :string,
          doc: "Id of the PAC. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        version: %{
          type: :integer,
          doc: "Earlier version to write again. 1 to 2,147,483,647."
        },
        reason: %{
          type: :string,
          doc: "Reason, kept with the new version. 1 to 1,024 characters."
        }
      ]
    },
    "Run" => %{
      doc: "A run as it stands.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run."
        },
        kind: %{
          type: :string,
          doc: "Kind of the run, as its `spec` names it."
        },
        pac_id: %{
          type: :string,
          doc: "PAC that the run is for."
        },
        state: %{
          type: {:word, "RunState"},
          doc:
            "State of the run; the last four are final. `queued`, `running`, `succeeded`, `failed`, `cancelled` or `timed_out`."
        },
        dataset: %{
          type: :string,
          doc: "Name of the dataset."
        },
        stages_done: %{
          type: {:list, :string},
          doc: "Names of the stages that are done; a resumed run skips them."
        },
        last_seq: %{
          type: :integer,
          doc: "Number of the run's newest event, from 1."
        },
        attempt: %{
          type: :integer,
          doc:
            "Number of times a worker claimed the run: once more after a lost worker, a drain, a lock or trouble with the database."
        },
        queue: %{
          type: {:word, "Queue"},
          doc: "Workers that may take the run. `cpu` or `gpu`."
        },
        priority: %{
          type: :integer,
          doc: "Priority in its queue; higher ones are taken first."
        },
        trials_total: %{
          type: :integer,
          doc: "Number of trials so far."
        },
        trials_ok: %{
          type: :integer,
          doc: "Number of trials that gave a result."
        },
        trials_failed: %{
          type: :integer,
          doc: "Number of trials that ended without a result."
        },
        trials_pruned: %{
          type: :integer,
          doc: "Number of trials that were stopped early as hopeless."
        },
        created_at: %{
          type: :time,
          doc: "Time at which the run was accepted."
        },
        started_at: %{
          type: :time,
          optional: true,
          nullable: true,
          doc: "Time at which a worker first claimed the run; absent while none has."
        },
        finished_at: %{
          type: :time,
          optional: true,
          nullable: true,
          doc: "Time at which the run ended; absent while it has not."
        },
        metrics: %{
          type: {:struct, "TrainingMetrics"},
          optional: true,
          nullable: true,
          doc: "Figures of the run's result; absent where it has none."
        },
        pareto_set: %{
          type: {:list, {:struct, "Trial"}},
          optional: true,
          nullable: true,
          doc:
            "Trials that no other trial beats; absent until all have ended, and where the run has none."
        },
        promoted_version: %{
          type: :integer,
          optional: true,
          nullable: true,
          doc:
            "Version of the PAC's capability vector that the run wrote; absent where it wrote none."
        },
        error: %{
          type: {:struct, "RunError"},
          optional: true,
          nullable: true,
          doc: "Reason why the run failed; absent unless it did."
        }
      ]
    },
    "RunError" => %{
      doc: "Reason why a run failed.",
      fields: [
        code: %{
          type: :string,
          doc: "Stable code, spelt as gRPC spells its status."
        },
        error_class: %{
          type: :string,
          doc: "`validation`, `transient`, `permanent`, `timeout`, `dependency` or `security`."
        },
        message: %{
          type: :string,
          doc: "Message that names the value, the rule and the next move."
        }
      ]
    },
    "RunEstimate" => %{
      doc: "Estimated cost of a run.",
      fields: [
        method: %{
          type: :string,
          doc: "Method of the estimate, in words."
        },
        runs: %{
          type: :integer,
          doc: "Number of measured runs behind the estimate."
        },
        expected: %{
          type: {:struct, "Spent"},
          doc: "Mean of the measured runs."
        },
        low: %{
          type: {:struct, "Spent"},
          doc: "Cheapest of the measured runs, figure by figure."
        },
        high: %{
          type: {:struct, "Spent"},
          doc: "Dearest of the measured runs, figure by figure."
        }
      ]
    },
    "RunEvent" => %{
      doc: "Event number `seq` of a run; numbers start at 1 and have no gaps.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run."
        },
        seq: %{
          type: :integer,
          doc: "Number of the event: from 1, without gaps."
        },
        name: %{
          type: :string,
          doc: "`cerebros.<thing>.<queued|start|progress|rung|stop|exception>`."
        },
        measurements: %{
          type: {:map, :float},
          doc: "Measured figures: numbers, null where a figure does not exist."
        },
        metadata: %{
          type: {:map, :any},
          doc: "Subject of the event: strings, numbers, booleans and nulls."
        },
        at: %{
          type: :time,
          doc: "Time at which the event was committed."
        }
      ]
    },
    "RunList" => %{
      doc: "Runs of a list.",
      fields: [
        runs: %{
          type: {:list, {:struct, "Run"}},
          doc: "Runs, newest first."
        }
      ]
    },
    "SetTrainingLock" => %{
      doc: "Open or close a PAC for training.",
      fields: [
        pac_id: %{
          type: :string,
          doc: "Id of the PAC. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        state: %{
          type: {:word, "LockState"},
          doc:
            "Permission to train a PAC: `open` gives it, `draining` lets the run at work end and starts no other, `locked` sends it back to its queue as well."
        },
        holder: %{
          type: :string,
          doc:
            "Name of the one who decides this, for those who ask later. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        reason: %{
          type: :string,
          doc: "Reason, for those who ask later. 1 to 1,024 characters."
        },
        expected_revision: %{
          type: :integer,
          optional: true,
          nullable: true,
          doc:
            "Revision that the caller has seen, 0 where nobody ever set the lock; FAILED_PRECONDITION where somebody was faster. Not compared when absent. 0 to 2,147,483,647."
        }
      ]
    },
    "Shortlist" => %{
      doc: "Candidates that the Parzen estimator proposed for a run.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run."
        },
        observations: %{
          type: :integer,
          doc: "Number of earlier trials that the estimator knew."
        },
        probes: %{
          type: :integer,
          doc: "Number of one-epoch trainings that the run made itself to inform it."
        },
        candidates: %{
          type: {:list, {:struct, "Candidate"}},
          doc: "Candidates, in order of rank."
        }
      ]
    },
    "Spent" => %{
      doc: "Time, energy and money that some work took.",
      fields: [
        duration_s: %{
          type: :float,
          doc: "Seconds by the clock."
        },
        cpu_s: %{
          type: :float,
          doc: "Seconds of processor time."
        },
        energy_j: %{
          type: :float,
          doc: "Joules, counted or by the operator's price table."
        },
        cost_usd: %{
          type: :float,
          doc: "Dollars by the operator's price table."
        }
      ]
    },
    "StartRun" => %{
      doc:
        "Start a run for one PAC; `spec` says of which kind, and what that kind needs to know.\n\nThe answer comes at once and a worker does the work. The same `run_id` with the same payload answers the same run; with another payload ALREADY_EXISTS.",
      fields: [
        pac_id: %{
          type: :string,
          doc:
            "PAC that the run is for. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        spec: %{
          type: {:union, :kind, %{"cycle" => "Cycle", "nas" => "Nas"}},
          doc: "Kind of the run, and what that kind needs to know."
        },
        run_id: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "Id that the caller gives the run; a UUIDv7 when absent. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        deadline_s: %{
          type: :float,
          optional: true,
          nullable: true,
          doc:
            "Seconds of the service's own clock after which the run ends as `timed_out`; no deadline when absent. Above 0, at most 2,592,000."
        },
        correlation_id: %{
          type: :string,
          optional: true,
          nullable: true,
          doc:
            "Caller's id of what the run belongs to; it returns in the run's events. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        queue: %{
          type: {:word, "Queue"},
          optional: true,
          default: "cpu",
          doc: "Workers that may take the run. `cpu` or `gpu`; `cpu` when absent."
        },
        priority: %{
          type: :integer,
          optional: true,
          default: 0,
          doc: "Priority in the queue; higher ones are taken first. 0 to 9."
        }
      ]
    },
    "Study" => %{
      doc: "A study as it stands: an optimiser for a caller who evaluates by itself.",
      fields: [
        study_id: %{
          type: :string,
          doc: "Id of the study."
        },
        space: %{
          type: :map,
          doc: "Decisions to make: node types with parameters and slots, and limits."
        },
        objectives: %{
          type: {:list, {:struct, "StudyObjective"}},
          doc: "Figures that are optimised."
        },
        sampler: %{
          type: {:word, "StudySampler"},
          doc: "Proposer of trials. `rose`, `rose-parzen` or `random`."
        },
        seed: %{
          type: :integer,
          doc: "Seed of every random choice."
        },
        lease_s: %{
          type: :float,
          doc: "Seconds after which a trial without a report is handed out again."
        },
        trials_total: %{
          type: :integer,
          doc: "Number of trials handed out so far."
        },
        trials_ok: %{
          type: :integer,
          doc: "Number of trials that were reported with values."
        },
        trials_out: %{
          type: :integer,
          doc: "Number of trials that were handed out and not reported yet."
        },
        created_at: %{
          type: :time,
          doc: "Time at which the study was opened."
        }
      ]
    },
    "StudyList" => %{
      doc: "Studies of a list.",
      fields: [
        studies: %{
          type: {:list, {:struct, "Study"}},
          doc: "Studies, newest first."
        }
      ]
    },
    "StudyObjective" => %{
      doc: "A figure that a study's caller measures.",
      fields: [
        name: %{
          type: :string,
          doc:
            "Name under which reports give the figure's value. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        direction: %{
          type: {:word, "Direction"},
          doc: "Direction in which the figure gets better. `minimize` or `maximize`."
        }
      ]
    },
    "StudyTrial" => %{
      doc: "A trial of a study.",
      fields: [
        number: %{
          type: :integer,
          doc: "Number of the trial in its study, from 0."
        },
        attempt: %{
          type: :integer,
          doc: "Number of times the trial was handed out."
        },
        outcome: %{
          type: {:word, "Outcome"},
          nullable: true,
          doc:
            "End of the trial; absent while it is out. `ok`, `pruned`, `diverged`, `oom`, `timeout`, `lost` or `error`."
        },
        tree: %{
          type: :map,
          doc: "Rose tree of the candidate."
        },
        tree_hash: %{
          type: :string,
          doc: "Digest of the tree; equal trees have equal digests."
        },
        values: %{
          type: {:map, :float},
          doc: "Value of each objective, by its name; empty unless it ended `ok`."
        },
        reason: %{
          type: :string,
          optional: true,
          nullable: true,
          doc: "Reason why it ended otherwise than `ok`."
        }
      ]
    },
    "StudyTrialList" => %{
      doc: "Trials of a study.",
      fields: [
        trials: %{
          type: {:list, {:struct, "StudyTrial"}},
          doc: "Trials, in order of their numbers."
        }
      ]
    },
    "Suggest" => %{
      doc:
        "Ask for the next trials; each call hands out others, also when it is a retry.\n\nTrials whose lease ran out come first, under a raised attempt, then new ones while fewer than 256 are out. RESOURCE_EXHAUSTED where there is not one to hand out.",
      fields: [
        study_id: %{
          type: :string,
          doc:
            "Id of the study. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        count: %{
          type: :integer,
          optional: true,
          default: 1,
          doc: "Largest number of trials in the answer. 1 to 64; 1 when absent."
        }
      ]
    },
    "Suggestion" => %{
      doc: "A trial to evaluate and report with its number and attempt.",
      fields: [
        study_id: %{
          type: :string,
          doc: "Id of the study."
        },
        number: %{
          type: :integer,
          doc: "Number of the trial in its study, from 0; no two trials share one."
        },
        attempt: %{
          type: :integer,
          doc: "Number of times the trial was handed out; report it with this number."
        },
        tree: %{
          type: :map,
          doc: "Rose tree of the candidate."
        },
        tree_hash: %{
          type: :string,
          doc: "Digest of the tree; equal trees have equal digests."
        },
        lease_s: %{
          type: :float,
          doc: "Seconds of the service's clock for which the trial is the caller's alone."
        }
      ]
    },
    "SuggestionList" => %{
      doc: "Trials to evaluate.",
      fields: [
        suggestions: %{
          type: {:list, {:struct, "Suggestion"}},
          doc:
            "Trials, as many as were asked for; fewer where no more may be out, or their trees are large."
        }
      ]
    },
    "TrainingLock" => %{
      doc: "A PAC's training lock as it stands.",
      fields: [
        pac_id: %{
          type: :string,
          doc: "Id of the PAC."
        },
        state: %{
          type: {:word, "LockState"},
          doc: "State of the lock. `open`, `draining` or `locked`."
        },
        holder: %{
          type: :string,
          doc: "Name of the one who set the lock; empty where nobody ever did."
        },
        reason: %{
          type: :string,
          doc: "Reason that the holder gave."
        },
        revision: %{
          type: :integer,
          doc: "Number of times the lock was set."
        },
        since: %{
          type: :time,
          nullable: true,
          doc: "Time at which the lock was set last; absent if it never was."
        },
        run_id: %{
          type: :string,
          nullable: true,
          doc: "Run that trains the PAC now; absent where none does."
        }
      ]
    },
    "TrainingMetrics" => %{
      doc:
        "Measured figures of one training; where one is modelled its method says so.\n\nSeconds, joules and dollars have no spread: repeats train together, and one seed's part cannot be told.",
      fields: [
        accuracy: %{
          type: :float,
          doc:
            "Share of correct labels, F1 over all names of all rows, or R², as `accuracy_kind` says."
        },
        accuracy_kind: %{
          type: {:word, "AccuracyKind"},
          doc:
            "Measure of `accuracy`: `accuracy` (classification), `f1` (multilabel) or `r2` (regression)."
        },
        loss: %{
          type: :float,
          doc: "Loss on held-out rows, in the task's own unit."
        },
        latency_p50_s: %{
          type: :float,
          doc: "Median seconds of one prediction at batch size 1."
        },
        latency_p95_s: %{
          type: :float,
          doc: "95th percentile of those seconds."
        },
        latency_p99_s: %{
          type: :float,
          doc: "99th percentile of those seconds."
        },
        duration_s: %{
          type: :float,
          doc: "Seconds that the training took by the clock."
        },
        cpu_s: %{
          type: :float,
          doc: "Seconds of processor time that the training took."
        },
        energy_j: %{
          type: :float,
          doc: "Joules that the training took, by `energy_method`."
        },
        energy_method: %{
          type: {:word, "EnergyMethod"},
          doc:
            "Origin of the joules: `rapl` or `nvml` where a counter was read, `model` for processor time times a configured wattage."
        },
        cost_usd: %{
          type: :float,
          doc: "Dollars: `cpu_s` times the operator's price table."
        },
        peak_mem_bytes: %{
          type: :integer,
          doc:
            "Largest resident memory of the process; on a GPU the most bytes that its tensors held there are added."
        },
        parameters: %{
          type: :integer,
          doc: "Number of trainable weights."
        },
        flops: %{
          type: :integer,
          doc: "Floating-point operations of one prediction."
        },
        epochs: %{
          type: :integer,
          doc: "Number of passes over the training rows."
        },
        device: %{
          type: :string,
          doc:
            "Kind and name of what trained and was timed: `cpu: AMD EPYC`, `cuda: NVIDIA H200`."
        },
        trials_total: %{
          type: :integer,
          optional: true,
          default: 0,
          doc: "Number of trials behind a run's figures; 0 in those of one trial."
        },
        trials_ok: %{
          type: :integer,
          optional: true,
          default: 0,
          doc: "Number of trials that gave a result."
        },
        trials_failed: %{
          type: :integer,
          optional: true,
          default: 0,
          doc: "Number of trials that ended without a result."
        },
        trials_pruned: %{
          type: :integer,
          optional: true,
          default: 0,
          doc: "Number of trials that were stopped early as hopeless."
        },
        latency_spread_s: %{
          type: :float,
          optional: true,
          nullable: true,
          doc:
            "Distance in seconds between the medians of successive stretches of the timed predictions; absent where it was not measured."
        },
        accuracy_spread: %{
          type: :float,
          optional: true,
          nullable: true,
          doc:
            "Standard deviation of the accuracy between seeds; absent where there was one seed."
        },
        population: %{
          type: :integer,
          optional: true,
          default: 1,
          doc:
            "Number of networks trained side by side in one process; seconds, joules and dollars are this one's share of what all took, by operations. 1 when absent."
        }
      ]
    },
    "Trial" => %{
      doc: "One candidate of a run and how it ended.",
      fields: [
        number: %{
          type: :integer,
          doc: "Number of the trial in its run, from 0."
        },
        outcome: %{
          type: {:word, "Outcome"},
          doc:
            "End of the trial; only `ok` gives figures that count. `ok`, `pruned`, `diverged`, `oom`, `timeout`, `lost` or `error`."
        },
        tree_hash: %{
          type: :string,
          doc: "Digest of the tree; equal trees have equal digests."
        },
        tree: %{
          type: :map,
          doc: "Rose tree of the candidate."
        },
        metrics: %{
          type: {:struct, "TrainingMetrics"},
          optional: true,
          nullable: true,
          doc: "Figures of the trial; absent where it gave none."
        },
        reason: %{
          type: :string,
          optional: true,
          nullable: true,
          doc: "Reason why it ended otherwise than `ok`."
        },
        curve: %{
          type: {:list, :float},
          optional: true,
          doc: "Validation loss after each epoch."
        }
      ]
    },
    "TrialList" => %{
      doc: "Trials of a run.",
      fields: [
        trials: %{
          type: {:list, {:struct, "Trial"}},
          doc: "Trials, in order of their numbers."
        }
      ]
    },
    "Undrain" => %{
      doc:
        "Take this server process back into service after a drain.\n\nFAILED_PRECONDITION where it drains because it was told to end.",
      fields: []
    },
    "VcvEntry" => %{
      doc: "One immutable version of a PAC's capability vector.",
      fields: [
        pac_id: %{
          type: :string,
          doc: "Id of the PAC."
        },
        task: %{
          type: :string,
          doc: "Ability of the PAC, in words."
        },
        capability: %{
          type: {:list, :float},
          doc: "Unit embedding of `task`, 384 numbers. At most 384 entries."
        },
        skills: %{
          type: {:list, :string},
          doc: "Names of the PAC's abilities."
        },
        accuracy: %{
          type: :float,
          doc: "Share of correct labels, F1 or R², on held-out rows."
        },
        latency_s: %{
          type: :float,
          doc: "Median seconds of one prediction at batch size 1."
        },
        cost_usd: %{
          type: :float,
          doc: "Dollars that the training of the model cost."
        },
        energy_j: %{
          type: :float,
          doc: "Joules that the training of the model took."
        },
        resources: %{
          type: {:map, :any},
          doc: "Needs of the model when it serves: names to strings, numbers, booleans or nulls."
        },
        policy_flags: %{
          type: {:list, :string},
          doc:
            "Purposes that the dataset's manifest allows; a rollback adds `rollback: <reason>`."
        },
        dataset_digest: %{
          type: :string,
          doc: "SHA-256 of the dataset the model learnt from."
        },
        artifact_digest: %{
          type: :string,
          doc: "SHA-256 of the model's weights."
        },
        run_id: %{
          type: :string,
          doc: "Run that wrote this version."
        },
        verdict_id: %{
          type: :string,
          doc: "Verdict that allowed this version."
        },
        rolled_back_from: %{
          type: :integer,
          optional: true,
          nullable: true,
          doc: "Earlier version that this one repeats; absent unless a rollback wrote it."
        },
        version: %{
          type: :integer,
          doc: "Number of this version: from 1, rising by one per PAC."
        },
        trust: %{
          type: :float,
          doc: "Share of the PAC's verdicts that allowed, as of `created_at`."
        },
        reliability: %{
          type: :float,
          doc: "Share of the PAC's ended runs that succeeded, as of `created_at`."
        },
        created_at: %{
          type: :time,
          doc: "Time at which this version was written."
        },
        signature: %{
          type: :string,
          optional: true,
          doc:
            "Ed25519 signature over the canonical JSON of all other fields, in hexadecimal; empty where an earlier release wrote the version."
        }
      ]
    },
    "VcvList" => %{
      doc: "Capability vectors of a list.",
      fields: [
        entries: %{
          type: {:list, {:struct, "VcvEntry"}},
          doc: "Versions, newest first."
        }
      ]
    },
    "Verdict" => %{
      doc:
        "A signed policy decision about one run's model; after `expires_at` it allows nothing.\n\nIt is bound to exactly this run, these weights and their description, this data, this policy and these figures: a promotion and a rollback compare each of them with what is stored by then.",
      fields: [
        verdict_id: %{
          type: :string,
          doc: "Digest of the artifact, the policy and the time of the decision."
        },
        run_id: %{
          type: :string,
          doc: "Run whose model was judged."
        },
        pac_id: %{
          type: :string,
          doc: "PAC that the run trains."
        },
        decision: %{
          type: {:word, "Decision"},
          doc: "Decision: `allow` lets the model be promoted. `allow` or `deny`."
        },
        reasons: %{
          type: {:list, :string},
          doc: "Broken rules, in words; empty where it allows."
        },
        artifact_digest: %{
          type: :string,
          doc: "SHA-256 of the weights that were judged."
        },
        description_digest: %{
          type: :string,
          doc: "SHA-256 of the description of these weights."
        },
        dataset_digest: %{
          type: :string,
          doc: "SHA-256 of the dataset."
        },
        policy_digest: %{
          type: :string,
          doc: "SHA-256 of the policy."
        },
        inputs_digest: %{
          type: :string,
          doc:
            "SHA-256 of all that was judged: the model's figures, the run's cost, the data's terms."
        },
        issued_at: %{
          type: :time,
          doc: "Time of the decision."
        },
        expires_at: %{
          type: :time,
          doc: "End of the verdict's validity."
        },
        signature: %{
          type: :string,
          optional: true,
          doc: "Ed25519 signature over the canonical JSON of all other fields, in hexadecimal."
        }
      ]
    },
    "WatchRun" => %{
      doc:
        "Stream a run's events without gap or repeat, the stored ones first, until the run has ended.",
      fields: [
        run_id: %{
          type: :string,
          doc: "Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
        },
        after_seq: %{
          type: :integer,
          optional: true,
          default: 0,
          doc:
            "Number of the last event that the caller has seen; 0 for all events. 0 to 9,007,199,254,740,992."
        }
      ]
    }
  }

  @vocabularies %{
    "AccuracyKind" => ["accuracy", "f1", "r2"],
    "Decision" => ["allow", "deny"],
    "Direction" => ["minimize", "maximize"],
    "EnergyMethod" => ["rapl", "nvml", "model"],
    "GateStatus" => ["healthy", "warning", "critical"],
    "LockState" => ["open", "draining", "locked"],
    "Outcome" => ["ok", "pruned", "diverged", "oom", "timeout", "lost", "error"],
    "Queue" => ["cpu", "gpu"],
    "RunState" => ["queued", "running", "succeeded", "failed", "cancelled", "timed_out"],
    "Sampler" => ["rose", "rose-parzen", "optuna-motpe", "nsga2", "random"],
    "ServingStatus" => ["serving", "draining", "not_serving"],
    "StudySampler" => ["rose", "rose-parzen", "random"]
  }

  @events %{
    "cerebros.promotion.stop" => %{
      doc: "A PAC's capability vector has a new version.",
      measurements: [
        accuracy: :float,
        latency_s: :float,
        cost_usd: :float,
        energy_j: :float,
        version: :integer
      ],
      metadata: [:run_id, :pac_id, :artifact_digest, :verdict_id]
    },
    "cerebros.run.queued" => %{
      doc:
        "A run was accepted and waits for a worker; it takes at most `trials` trials and `wall_s` seconds of work.",
      measurements: [
        trials: :integer,
        wall_s: :float
      ],
      metadata: [:run_id, :kind, :pac_id, :dataset, :correlation_id]
    },
    "cerebros.run.start" => %{
      doc:
        "A worker has claimed the run.\n\n`attempt` counts the claims: a lost worker, a drain, a lock or trouble with the database makes another.",
      measurements: [
        queue_s: :float
      ],
      metadata: [:run_id, :kind, :pac_id, :attempt, :worker_id]
    },
    "cerebros.run.stop" => %{
      doc:
        "The run has ended in `state`.\n\n`accuracy` and `latency_s` are those of its scored model, None without one. `cost_usd` and `energy_j` are of the whole run: probes, trials and refit, as far as their processes lived to tell; 0 when it never ran.",
      measurements: [
        duration_s: :float,
        accuracy: :float,
        latency_s: :float,
        cost_usd: :float,
        energy_j: :float,
        trials_total: :integer,
        trials_ok: :integer,
        trials_failed: :integer
      ],
      metadata: [:run_id, :kind, :pac_id, :state, :error_code, :error_message]
    },
    "cerebros.shortlist.stop" => %{
      doc: "The candidates of a run were proposed and stored.",
      measurements: [
        candidates: :integer,
        observations: :integer,
        probes: :integer
      ],
      metadata: [:run_id]
    },
    "cerebros.stage.exception" => %{
      doc:
        "A stage refused or failed; the run ends with the same error, or is tried again where that may help.",
      measurements: [
        duration_s: :float
      ],
      metadata: [:run_id, :stage, :error_code, :error_message]
    },
    "cerebros.stage.start" => %{
      doc: "A stage of a run has begun.",
      measurements: [],
      metadata: [:run_id, :stage]
    },
    "cerebros.stage.stop" => %{
      doc: "A stage of a run is done and its result is stored.",
      measurements: [
        duration_s: :float
      ],
      metadata: [:run_id, :stage]
    },
    "cerebros.trial.progress" => %{
      doc:
        "A training's state was kept after `resource` epochs or steps; `loss` is of validation rows, None in a refit.",
      measurements: [
        resource: :integer,
        loss: :float,
        duration_s: :float
      ],
      metadata: [:run_id, :number]
    },
    "cerebros.trial.rung" => %{
      doc:
        "A trial came to a rung after `resource` epochs or steps; it goes on only if it is among the best there.",
      measurements: [
        resource: :integer,
        accuracy: :float,
        loss: :float,
        duration_s: :float
      ],
      metadata: [:run_id, :number, :tree_hash]
    },
    "cerebros.trial.stop" => %{
      doc: "A candidate was trained and measured, or ended otherwise as `outcome` says.",
      measurements: [
        duration_s: :float,
        accuracy: :float,
        loss: :float,
        latency_s: :float,
        cost_usd: :float,
        energy_j: :float,
        parameters: :integer
      ],
      metadata: [:run_id, :number, :outcome, :tree_hash, :reason]
    },
    "cerebros.verdict.stop" => %{
      doc: "A verdict on a run's model was given and stored.",
      measurements: [],
      metadata: [:run_id, :verdict_id, :decision]
    }
  }

  @doc "Each procedure: whether it streams, its request and its reply, by name, and its meaning."
  @spec procedures() :: map()
  def procedures, do: @procedures

  @doc "Each type of a message: its meaning and its fields, in their order."
  @spec types() :: map()
  def types, do: @types

  @doc "Each closed set of words."
  @spec vocabularies() :: map()
  def vocabularies, do: @vocabularies

  @doc "Each event: its meaning, the type of each measurement, and the keys of its metadata."
  @spec events() :: map()
  def events, do: @events
end

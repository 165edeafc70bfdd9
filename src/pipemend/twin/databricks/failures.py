"""Failures of tasks by name, with the texts that Databricks prints for them."""

from dataclasses import replace

from .endings import CANCELLED, OUTPUT, Ending, ending, raised

LIBRARY = 'pypi {\n package: "great-expectations"\n}\n'
LANDING = "abfss://landing@datalake.dfs.core.windows.net/orders/2025/11/orders.csv"

NAMED: dict[str, Ending] = {
    "NotebookError": raised(
        "AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name "
        "`acc_mngr` cannot be resolved. Did you mean one of the following? [`account_manager`, `account_id`]. "
        "SQLSTATE: 42703",
        'df.select("acc_mngr").write.saveAsTable("sales.accounts")',
    ),
    "FileNotFound": raised(
        f"AnalysisException: [PATH_NOT_FOUND] Path does not exist: {LANDING}. SQLSTATE: 42K03",
        f'spark.read.csv("{LANDING}")',
    ),
    "ConcurrentWrite": raised(
        "ConcurrentAppendException: [DELTA_CONCURRENT_APPEND] Files were added to the root of the table by a "
        "concurrent update. Please try the operation again.",
        'target.alias("t").merge(updates, "t.id = u.id").execute()',
    ),
    "Throttled": raised(
        "HttpResponseError: (TooManyRequests) Rate limit is exceeded. Try again in 21 seconds. Response status: 429",
        "client.get_orders(page=17)",
    ),
    "GatewayTimeout": raised(
        "HTTPError: 504 Server Error: Gateway Timeout for url: https://partner.example.com/orders/export",
        "requests.get(EXPORT, timeout=60).raise_for_status()",
    ),
    "AccessDenied": raised(
        "AnalysisException: [INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have SELECT on table "
        "'sales.accounts'. SQLSTATE: 42501",
        'spark.table("sales.accounts")',
    ),
    "ModuleNotFound": raised(
        "ModuleNotFoundError: No module named 'great_expectations'", "import great_expectations as gx"
    ),
    "DriverOutOfMemory": ending(
        "DRIVER_ERROR",
        "The spark driver has stopped unexpectedly and is restarting. Your notebook will be automatically reattached.",
        "The spark driver has stopped unexpectedly and is restarting. Your notebook will be automatically reattached. "
        "java.lang.OutOfMemoryError: Java heap space",
    ),
    "ExecutorOutOfMemory": replace(
        raised(
            "SparkException: Job aborted due to stage failure: Task 20 in stage 112.0 failed 4 times, most recent "
            "failure: Lost task 20.3 in stage 112.0 (TID 8680) (10.139.64.7 executor 3): ExecutorLostFailure (executor "
            "3 exited caused by one of the running tasks) Reason: Command exited with code 137. Container killed: "
            "java.lang.OutOfMemoryError: GC overhead limit exceeded",
            'orders.groupBy("customer").agg(F.collect_list("line")).write.save(OUT)',
        ),
        message=OUTPUT,
    ),
    "DriverNotResponding": ending(
        "DRIVER_ERROR",
        "Could not reach driver of cluster {cluster}.",
        "Could not reach driver of cluster {cluster} for 120 seconds.",
    ),
    "SparkContextsExceeded": ending(
        "MAX_SPARK_CONTEXTS_EXCEEDED",
        "Too many execution contexts are open right now.(Limit set to 150)",
        "Too many execution contexts are open right now.(Limit set to 150)",
    ),
    "ClusterStartFailure": ending(
        "CLUSTER_ERROR",
        "Unexpected failure while waiting for the cluster ({cluster}) to be ready: Cluster {cluster} is in unexpected "
        "state Terminated: DRIVER_UNREACHABLE(CLOUD_FAILURE): The Spark driver failed to start within 300 seconds.",
    ),
    "QuotaExceeded": ending(
        "CLOUD_FAILURE",
        "Unexpected failure while waiting for the cluster ({cluster}) to be ready: Cluster {cluster} is in unexpected "
        "state Terminated: AZURE_QUOTA_EXCEEDED_EXCEPTION(CLIENT_ERROR): Operation could not be completed as it "
        "results in exceeding approved standardDSv3Family Cores quota. Current Limit: 350, Current Usage: 350, "
        "Additional Required: 4.",
    ),
    "SpotReclaimed": ending(
        "CLOUD_FAILURE",
        "Cluster {cluster} was terminated during the run. Reason: SPOT_INSTANCE_TERMINATION (CLOUD_FAILURE).",
        "Cluster {cluster} was terminated during the run.",
    ),
    "ClusterRequestLimit": ending(
        "CLUSTER_REQUEST_LIMIT_EXCEEDED",
        "The number of cluster creation, start, and upsize requests have exceeded the allotted rate limit.",
    ),
    "LibraryInstallation": ending(
        "LIBRARY_INSTALLATION_ERROR",
        f"Library installation failed for library due to user error for {LIBRARY}. Error messages:\n"
        "Library installation attempted on the driver node of cluster {cluster} and failed. Please refer to the "
        "following error message to fix the library or contact Databricks support. Error code: "
        "DRIVER_LIBRARY_INSTALLATION_FAILURE. Error message: org.apache.spark.SparkException: Process List(/bin/su, "
        "libraries, -c, bash /local_disk0/.ephemeral_nfs/cluster_libraries/python/python_start_clusterwide.sh "
        "/local_disk0/.ephemeral_nfs/cluster_libraries/python/bin/pip install 'great-expectations' "
        "--disable-pip-version-check) exited with code 1. ERROR: Could not find a version that satisfies the "
        "requirement great-expectations",
    ),
    "LibraryTimeout": ending(
        "LIBRARY_INSTALLATION_ERROR",
        f"Library installation timed out after 1800 seconds. Libraries that are not yet installed: {LIBRARY}",
    ),
    "RepositoryCheckout": ending(
        "REPOSITORY_CHECKOUT_FAILED",
        "Failed to checkout Git repository: UNAVAILABLE: The remote Git provider did not respond in time.",
    ),
    "StorageAccess": ending(
        "STORAGE_ACCESS_ERROR", 'Operation failed: "This request is not authorized to perform this operation.", 403'
    ),
    "ResourceNotFound": ending(
        "RESOURCE_NOT_FOUND",
        'Unable to access the notebook "/Workspace/etl/orders". Either it does not exist, or the identity used to run '
        "this job lacks the required permissions.",
    ),
    "Unauthorized": ending(
        "UNAUTHORIZED_ERROR", "The run failed due to a permission issue while accessing a resource."
    ),
    "InternalError": ending("INTERNAL_ERROR", "An internal error occurred. Please try again later."),
    "TimedOut": Ending("TERMINATED", "TIMEDOUT", "CANCELED", "CLIENT_ERROR", "Run timed out after 3600 seconds."),
    "Cancelled": CANCELLED,
}


def on_cluster(named: Ending, cluster_id: str) -> Ending:
    """The ending with the cluster's id put where its texts name one."""
    texts = {
        name: text.replace("{cluster}", cluster_id)
        for name in ("message", "error", "trace")
        if (text := getattr(named, name))
    }
    return replace(named, **texts)

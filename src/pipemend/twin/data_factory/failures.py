"""Failures by name, with the full texts that Data Factory prints for them."""

from dataclasses import dataclass

HYBRID = "'Type=Microsoft.DataTransfer.Common.Shared.HybridDeliveryException"
CLIENT = "Source=Microsoft.DataTransfer.ClientLibrary"


@dataclass(frozen=True)
class ActivityError:
    """What an activity failed with. Without a target the activity keeps its usual name."""

    code: str
    message: str
    failure_type: str = "UserError"
    activity_type: str = "Copy"
    target: str | None = None


NAMED: dict[str, ActivityError] = {
    "GatewayTimeout": ActivityError(
        "2108",
        "Error calling the endpoint 'https://partner.example.com/orders/export'. Response status code: "
        "'GatewayTimeout'. More details: 504 Gateway Timeout - The "
        "server did not receive a timely response from the upstream server.",
        activity_type="WebActivity",
        target="Call partner endpoint",
    ),
    "HttpConnectionFailed": ActivityError(
        "2108",
        "Error calling the endpoint 'https://partner.example.com'. Response status code: ''. More details:Exception "
        "message: 'An error occurred while sending the request.'.\r\nRequest didn't reach the server from the client. "
        "This could happen because of an underlying issue such as network connectivity, a DNS failure, a server "
        "certificate validation or a timeout.",
        activity_type="WebActivity",
        target="Call partner endpoint",
    ),
    "ThrottlingError": ActivityError(
        "2200",
        f"ErrorCode=RestCallFailedWithClientError,{HYBRID},Message=Rest call failed with client error, status code 429 "
        "TooManyRequests, please check your activity settings.\nRequest URL: "
        'https://api.partner.example.com/v2/customers?page=17.\nResponse: {"message":"Rate limit is exceeded. Try '
        f"again in 21 seconds.\"}},{CLIENT},'",
    ),
    "TypeConversion": ActivityError(
        "2200",
        "ErrorCode=TypeConversionFailure,Exception occurred when converting value 'data' for column name "
        "'LastPurchaseDate' from type 'String' (precision:, scale:) to type 'DateTime' (precision:255, scale:255). "
        "Additional info: The string was not recognized as a valid DateTime. There is an unknown word starting at "
        "index 0.",
        target="Copy data1",
    ),
    "BlobNotExists": ActivityError(
        "2200",
        f"ErrorCode=UserErrorSourceBlobNotExist,{HYBRID},Message=The required Blob is missing. ContainerName: landing, "
        f"path: orders/2025/11/orders.csv.,{CLIENT},''Type=Microsoft.WindowsAzure.Storage.StorageException,Message=The "
        "remote server returned an error: (404) Not Found.,Source=Microsoft.WindowsAzure.Storage,"
        "StorageExtendedMessage=The specified blob does not exist.\nRequestId:6f1d4a0c-101e-0047-5a3c-4013f5000000\n"
        "Time:2025-11-24T03:10:22.1650494Z,,''Type=System.Net.WebException,Message=The remote server returned an "
        "error: (404) Not Found.,Source=Microsoft.WindowsAzure.Storage,'",
    ),
    "LoginFailed": ActivityError(
        "2200",
        f"ErrorCode=SqlFailedToConnect,{HYBRID},Message=Cannot connect to SQL Database: "
        "'sql-warehouse.database.windows.net', Database: 'warehouse', User: 'loader'. Check the linked service "
        f"configuration is correct, and make sure the SQL Database firewall allows the integration runtime to access.,"
        f"{CLIENT},''Type=System.Data.SqlClient.SqlException,Message=Login failed for user 'loader'.,Source=.Net "
        "SqlClient Data Provider,SqlErrorNumber=18456,Class=14,ErrorCode=-2146232060,State=1,Errors=[{Class=14,"
        "Number=18456,State=1,Message=Login failed for user 'loader'.,},],'",
    ),
    "SqlTransientError": ActivityError(
        "2200",
        f"ErrorCode=SqlOperationFailed,{HYBRID},Message=A database operation failed with the following error: "
        "'Database 'warehouse' on server 'sql-warehouse.database.windows.net' is not currently available.  Please "
        f"retry the connection later.',{CLIENT},''Type=System.Data.SqlClient.SqlException,Message=Database 'warehouse' "
        "on server 'sql-warehouse.database.windows.net' is not currently available.  Please retry the connection "
        "later.,Source=.Net SqlClient Data Provider,SqlErrorNumber=40613,Class=20,ErrorCode=-2146232060,State=1,'",
    ),
    "SqlDeadlock": ActivityError(
        "2402",
        "Execution fail against sql server. Sql error number: 1205. Error Message: Transaction (Process ID 67) was "
        "deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the "
        "transaction.",
        activity_type="SqlServerStoredProcedure",
        target="Merge into warehouse",
    ),
    "IntegrationRuntimeOffline": ActivityError(
        "2010",
        "The Self-hosted Integration Runtime 'ir-onprem-01' is offline. Last connect time: 11/24/2025 2:41:07 AM.",
    ),
    "InternalServerError": ActivityError(
        "BadRequest",
        "The service has encountered an internal error processing your request. Please try again.",
        failure_type="SystemError",
    ),
    "SchemaMismatch": ActivityError(
        "2200",
        f"ErrorCode=UserErrorInvalidColumnMappingColumnNotFound,{HYBRID},Message=Column 'AccMngr' specified in column "
        f"mapping cannot be found in source data.,{CLIENT},'",
    ),
}


def connection_failed(service: str, message: str) -> ActivityError:
    """What an activity fails with whose linked service does not work."""
    return ActivityError(
        "2200",
        f"ErrorCode=LinkedServiceError,{HYBRID},Message=The linked service '{service}' did not connect. "
        f"{message},{CLIENT},'",
    )

"""The common errors in German, Chinese, Japanese and Spanish."""

import pytest

from pipemend.analyzers.rules import classify

SAID = [
    ('Fehler bei der Anmeldung für den Benutzer "etl".', "AuthenticationFailed"),
    ("Der Zugriff auf den Pfad wurde verweigert: Zugriff verweigert.", "PermissionDenied"),
    (
        "Die Transaktion (Prozess-ID 75) wurde als Deadlockopfer ausgewählt.",
        "SqlDeadlock",
    ),
    ("Eine vorhandene Verbindung wurde vom Remotehost geschlossen.", "HttpConnectionFailed"),
    ("Der Remoteserver hat einen Fehler zurückgegeben: (503) Server nicht verfügbar.", "ServerBusy"),
    ('Ungültiger Objektname "dbo.orders".', "ObjectNotFound"),
    ("Fehler beim Konvertieren des varchar-Werts in den int-Datentyp.", "DataConversionError"),
    ("Falsche Syntax in der Nähe von ','.", "SqlQueryError"),
    ("Der Remotename konnte nicht aufgelöst werden: 'x.example.com'", "NameResolutionFailed"),
    (
        "Ausführungstimeout abgelaufen. Das Timeoutintervall ist abgelaufen.",
        "DataFactoryTimeout",
    ),
    ("用户 'etl' 登录失败。", "AuthenticationFailed"),
    ("对路径的访问被拒绝。", "PermissionDenied"),
    ("事务(进程 ID 75)与另一个进程被死锁在锁资源上，并且已被选作死锁牺牲品。", "SqlDeadlock"),
    ("远程主机强迫关闭了一个现有的连接。", "HttpConnectionFailed"),
    ("远程服务器返回错误: (503) 服务器不可用。", "ServerBusy"),
    ("远程服务器返回错误: (429) 请求过多。", "ThrottlingError"),
    ("对象名 'dbo.orders' 无效。", "ObjectNotFound"),
    ("找不到指定的文件。", "UserErrorSourceBlobNotExists"),
    ("ユーザー 'etl' はログインできませんでした。", "AuthenticationFailed"),
    ("アクセスが拒否されました。", "PermissionDenied"),
    (
        "トランザクションは他のプロセスとデッドロックして、デッドロックの対象となりました。",
        "SqlDeadlock",
    ),
    ("既存の接続はリモート ホストに強制的に切断されました。", "HttpConnectionFailed"),
    ("リモート サーバーがエラーを返しました: (503) サーバーを使用できません", "ServerBusy"),
    ("要求が多すぎます。", "ThrottlingError"),
    ("ファイルが見つかりません。", "UserErrorSourceBlobNotExists"),
    ("Error de inicio de sesión del usuario 'etl'.", "AuthenticationFailed"),
    ("Acceso denegado a la ruta.", "PermissionDenied"),
    ("La transacción fue elegida como sujeto del interbloqueo.", "SqlDeadlock"),
    ("Se ha forzado la interrupción de una conexión existente por el host remoto.", "HttpConnectionFailed"),
    ("Error en el servidor remoto: (503) Servidor no disponible.", "ServerBusy"),
    ("Demasiadas solicitudes.", "ThrottlingError"),
    ("El nombre de objeto 'dbo.orders' no es válido.", "ObjectNotFound"),
    ("No se encontró el archivo.", "UserErrorSourceBlobNotExists"),
]


@pytest.mark.parametrize(("message", "error_type"), SAID)
def test_it_reads_other_languages(message, error_type):
    assert classify("adf", message).error_type == error_type


@pytest.mark.parametrize(("message", "error_type"), SAID[:10])
def test_upper_case_letters_with_dots_change_nothing(message, error_type):
    assert classify("adf", message.upper().replace("ẞ", "SS")).error_type == error_type

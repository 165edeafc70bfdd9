"""How the outside is called, shared by the plug-ins."""

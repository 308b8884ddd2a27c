"""A workspace: the directory that holds one shop, its settings (``aisle.yaml``), its store and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from aisle.errors import ConfigError
from aisle.recipe import Strict, parse_strict, read_yaml
from aisle.store import SqlStore

SETTINGS_NAME = "aisle.yaml"
STORE_NAME = "aisle.db"
SECRETS = frozenset({"admin_key", "write_key"})

_SETTINGS_TEXT = """\
# The settings of this shop. What is commented out shows the default; unknown keys are an error.

store:
  url: sqlite            # the embedded store: the file aisle.db beside this one

server:
  # Without keys the server answers on the loopback address only. With keys every call is checked.
  # admin_key: a long secret                   # for everything
  # write_key: another one                     # public: for events sent by browsers, and nothing else
  # browser_placements: [similar-items]        # ... and recommendations of these placements; default: none
  # allowed_origins: ["https://shop.example"]  # pages that may call from a browser
  # max_body_bytes: 8388608                    # longer bodies are refused
  # max_recommendations_at_once: 256           # per worker; more are answered 503 with Retry-After
  # Calls a second of one client address, and how many may come at once; per_key the same for all who use one key.
  # rate_limits: {recommendations_per_second: 50, events_per_second: 50, burst: 100}

# Per placement: may it show what the visitor bought before (allow or exclude)? How many items of one category (the most
# specific one) and of one brand may stand in a list? Without a number as many as there are.
# placements:
#   for-you: {repeat: allow, max_per_category: null, max_per_brand: null}

# How long the sources of one answer may take before those that have not started are left out, and how long the ranker
# may take before the blend ranks instead, in milliseconds.
# budgets: {retrieve_ms: 50, rank_ms: 50}

# Where the pictures of items may come from; pictures from elsewhere are not shown in the storefront, but drawn.
# storefront: {image_origins: ["https://images.shop.example"]}

# Whether this shop's data is made up; its storefront then says so.
# simulated: false
"""


PlacementName = Literal[
    "for-you", "similar-items", "bought-together", "next-in-session", "buy-it-again", "trending", "popular"
]
#: A scheme, a host and perhaps a port: what a page's content security policy can name.
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]


class StoreSettings(Strict):
    """Where events and catalogue are kept."""

    url: Literal["sqlite"] = "sqlite"


class Rates(Strict):
    """How often one caller may call; ``None``: as often as it likes. Calls are counted, not the events in them.

    Attributes:
        recommendations_per_second: Recommendations, on average.
        events_per_second: Calls that send events, on average.
        burst: How many calls of either kind may come at once after a rest.
    """

    recommendations_per_second: Annotated[float, Field(gt=0)] | None = None
    events_per_second: Annotated[float, Field(gt=0)] | None = None
    burst: Annotated[int, Field(ge=1)] = 100


class RateLimits(Rates):
    """How often one client address may call, and (``per_key``) all who use one key together; no limits by default."""

    per_key: Rates = Rates()


class ServerSettings(Strict):
    """Who may call the server, and how often."""

    admin_key: Annotated[str, Field(min_length=8)] | None = None
    write_key: Annotated[str, Field(min_length=8)] | None = None
    browser_placements: tuple[PlacementName, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_body_bytes: Annotated[int, Field(ge=1)] = 8 * 1024 * 1024
    max_recommendations_at_once: Annotated[int, Field(ge=1)] = 256
    rate_limits: RateLimits = RateLimits()


class PlacementSettings(Strict):
    """The rules of one placement.

    Attributes:
        repeat: Whether it may show what the visitor bought before.
        max_per_category: At most so many items of one category in a list; the most specific category of an item counts.
        max_per_brand: At most so many items of one brand in a list.
    """

    repeat: Literal["allow", "exclude"] = "allow"
    max_per_category: Annotated[int, Field(ge=1)] | None = None
    max_per_brand: Annotated[int, Field(ge=1)] | None = None


class Placements(Strict):
    """The rules of all placements."""

    for_you: PlacementSettings = Field(default=PlacementSettings(), alias="for-you")
    similar_items: PlacementSettings = Field(default=PlacementSettings(), alias="similar-items")
    bought_together: PlacementSettings = Field(default=PlacementSettings(), alias="bought-together")
    next_in_session: PlacementSettings = Field(default=PlacementSettings(), alias="next-in-session")
    buy_it_again: PlacementSettings = Field(default=PlacementSettings(), alias="buy-it-again")
    trending: PlacementSettings = PlacementSettings()
    popular: PlacementSettings = PlacementSettings()

    def get(self, name: str) -> PlacementSettings:
        """The rules of a placement by its outside name (``for-you``); the defaults for one without rules."""
        found = getattr(self, name.replace("-", "_"), None)
        return found if isinstance(found, PlacementSettings) else PlacementSettings()


class Budgets(Strict):
    """How long the stages of a request may take."""

    retrieve_ms: Annotated[float, Field(gt=0)] = 50.0
    rank_ms: Annotated[float, Field(gt=0)] = 50.0


class StorefrontSettings(Strict):
    """How the shop looks that the server shows."""

    image_origins: tuple[Origin, ...] = ()


class Settings(Strict):
    """What ``aisle.yaml`` says."""

    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    placements: Placements = Placements()
    budgets: Budgets = Budgets()
    storefront: StorefrontSettings = StorefrontSettings()
    simulated: bool = False

    def repeat_policy(self, placement: str) -> Literal["allow", "exclude"]:
        """The placement's repeat policy where a request names none."""
        return self.placements.get(placement).repeat

    def max_per_category(self, placement: str) -> int | None:
        """How many items of one category the placement's lists may hold; ``None``: any number."""
        return self.placements.get(placement).max_per_category

    def max_per_brand(self, placement: str) -> int | None:
        """How many items of one brand the placement's lists may hold; ``None``: any number."""
        return self.placements.get(placement).max_per_brand

    @property
    def retrieve_budget_ms(self) -> float:
        """Time for the sources of one request."""
        return self.budgets.retrieve_ms

    @property
    def rank_budget_ms(self) -> float:
        """Time for the ranker of one request."""
        return self.budgets.rank_ms


class Workspace:
    """One shop's directory; see :meth:`create` and :meth:`open`."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    @classmethod
    def create(cls, directory: str | Path, *, simulated: bool = False) -> Workspace:
        """Make a workspace: the directory, a commented ``aisle.yaml`` and an empty store. What is there stays.

        Args:
            directory: Where.
            simulated: The data will be made up; written into the settings, so that nobody takes it for a real shop's.

        Raises:
            ConfigError: the directory cannot be made, settings that are there are wrong, or say otherwise of
                ``simulated``.
        """
        workspace = cls(directory)
        try:
            workspace.directory.mkdir(parents=True, exist_ok=True)
            if not workspace.settings_path.exists():
                text = _SETTINGS_TEXT.replace(
                    "# simulated: false", "simulated: true" if simulated else "# simulated: false"
                )
                workspace.settings_path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot make a workspace in {workspace.directory}: {error}") from error
        if workspace.config.simulated != simulated:
            holds, wanted = ("a simulated shop", "real") if workspace.config.simulated else ("a real shop", "made-up")
            remedy = f"choose another directory for {wanted} data (aisle -C DIR ...)"
            raise ConfigError(f"{workspace.directory}: holds {holds}; {remedy}")
        workspace.open_store().close()
        return workspace

    @classmethod
    def open(cls, directory: str | Path) -> Workspace:
        """Open the workspace of a directory.

        Raises:
            ConfigError: there is none.
        """
        workspace = cls(directory)
        if not workspace.settings_path.is_file():
            raise ConfigError(
                f"expected a workspace in {workspace.directory}, found no {SETTINGS_NAME} there; "
                f"make one with: aisle init {workspace.directory}"
            )
        return workspace

    @property
    def settings_path(self) -> Path:
        """The file with the settings."""
        return self.directory / SETTINGS_NAME

    @property
    def store_path(self) -> Path:
        """The embedded store's file."""
        return self.directory / STORE_NAME

    @property
    def runs(self) -> Path:
        """Where training writes its run directories."""
        return self.directory / "runs"

    @property
    def imports(self) -> Path:
        """Where imports keep their rejected rows and, while they run, what they need to resume."""
        return self.directory / "imports"

    @property
    def config(self) -> Settings:
        """The settings, read and checked anew.

        Raises:
            ConfigError: the file is not YAML, or a key or value is wrong.
        """
        source = str(self.settings_path)
        try:
            values = read_yaml(self.settings_path.read_text(encoding="utf-8"), source)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {source}: {error}") from error
        if isinstance(values, dict):
            # A section whose lines are all commented out is empty, not wrong.
            values = {key: {} if value is None else value for key, value in values.items()}
        return parse_strict(Settings, values, source, secret=SECRETS)

    def open_store(self) -> SqlStore:
        """Open the store that the settings name; a missing one is made."""
        _ = self.config.store
        return SqlStore(self.store_path)

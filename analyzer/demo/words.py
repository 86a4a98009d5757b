"""The words that the platform's names and texts are made of."""

#: Categories of the shop and what is sold in each.
NOUNS: dict[str, tuple[str, ...]] = {
    "kitchen": ("kettle", "toaster", "skillet", "mixer", "grinder", "blender", "stockpot", "colander", "carafe"),
    "furniture": ("desk", "armchair", "bookcase", "stool", "sideboard", "bench", "wardrobe", "nightstand"),
    "lighting": ("lantern", "floodlight", "chandelier", "sconce", "spotlight", "dimmer", "lamp"),
    "tools": ("hammer", "chisel", "ratchet", "wrench", "sander", "drill", "plane", "vise", "clamp", "saw"),
    "garden": ("trowel", "sprinkler", "planter", "rake", "trellis", "hose", "pruner", "barrow"),
    "electronics": ("amplifier", "monitor", "router", "speaker", "keyboard", "scanner", "projector", "charger"),
    "laboratory": ("beaker", "centrifuge", "pipette", "microscope", "incubator", "burette", "balance"),
    "packaging": ("carton", "pallet", "mailer", "crate", "drum", "wrap", "liner"),
    "safety": ("helmet", "goggles", "respirator", "harness", "vest", "extinguisher", "gloves", "earmuffs"),
    "plumbing": ("faucet", "valve", "manifold", "coupling", "strainer", "pump", "cistern"),
    "textiles": ("curtain", "blanket", "apron", "tarpaulin", "cushion", "towel", "rug"),
    "sports": ("racket", "dumbbell", "paddle", "treadmill", "kayak", "saddle", "snorkel"),
    "medical": ("stethoscope", "syringe", "bandage", "wheelchair", "thermometer", "splint", "inhaler"),
    "automotive": ("alternator", "gasket", "radiator", "muffler", "piston", "bumper", "clutch"),
    "office": ("stapler", "whiteboard", "binder", "shredder", "laminator", "notebook", "easel"),
    "optics": ("binoculars", "telescope", "prism", "lens", "filter", "collimator", "eyepiece"),
}
CATEGORIES = tuple(NOUNS)
ADJECTIVES = (
    *("compact", "rugged", "silent", "modular", "classic", "portable", "insulated", "adjustable", "heavy", "slim"),
    *("folding", "cordless", "premium", "basic", "smart", "tempered", "woven", "braided", "sealed", "hybrid"),
    *("coastal", "alpine", "urban", "nordic", "vintage", "precision", "industrial", "certified", "rapid", "matte"),
)
MATERIALS = (
    *("oak", "walnut", "steel", "aluminium", "copper", "brass", "ceramic", "glass", "carbon", "nylon", "bamboo"),
    *("granite", "leather", "linen", "titanium", "rubber"),
)
COLORS = ("black", "white", "grey", "navy", "red", "green", "amber", "ivory", "teal", "bronze", "violet", "sand")
BRANDS = tuple(
    f"{first}{second}"
    for first in ("Al", "Bor", "Cal", "Den", "El", "Fal", "Gor", "Hel", "Ist", "Jor")
    for second in ("vex", "mont", "ria", "dine", "tek", "wick")
)
TAGS = (
    *("bestseller", "new", "clearance", "eco", "recycled", "refurbished", "bulk", "fragile", "oversize", "imported"),
    *("local", "seasonal", "warranty", "gift", "professional", "outdoor", "indoor", "wireless", "waterproof", "vegan"),
)
CERTIFICATIONS = ("ISO 9001", "ISO 14001", "CE", "UL", "RoHS", "FSC", "GS", "HACCP", "SA8000")
FIRST_NAMES = (
    *("Ada", "Bruno", "Chiara", "David", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya", "Liam", "Mei"),
    *("Noor", "Oscar", "Priya", "Quentin", "Rosa", "Samir", "Tessa", "Umar", "Vera", "Wei", "Ximena", "Yusuf", "Zoe"),
)
LAST_NAMES = (
    *("Abel", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ito", "Jansen", "Kowalski"),
    *("Lopez", "Moreau", "Novak", "Okafor", "Petrov", "Quinn", "Rossi", "Schmidt", "Tanaka", "Ueda", "Varga", "Weber"),
    *("Xu", "Yilmaz", "Zhang"),
)
JOB_TITLES = ("Buyer", "Head of Purchasing", "Engineer", "Office Manager", "Founder", "Analyst", "Plant Manager")
COMPANY_STEMS = (
    *("Aurora", "Beacon", "Cobalt", "Delta", "Ember", "Falcon", "Granite", "Harbor", "Iris", "Juniper", "Keystone"),
    *("Lumen", "Meridian", "Nimbus", "Orchard", "Pinnacle", "Quarry", "Ridge", "Summit", "Tidal", "Umbra", "Vertex"),
)
COMPANY_ENDINGS = ("Industries", "Supply", "Logistics", "Partners", "Systems", "Works", "Trading", "Labs", "Group")
INDUSTRIES = (
    *("manufacturing", "retail", "construction", "healthcare", "education", "energy", "hospitality", "finance"),
    *("agriculture", "transport", "software", "government"),
)
#: Country, region, and a city with its place.
PLACES: tuple[tuple[str, str, str, float, float], ...] = (
    ("DE", "europe", "Hamburg", 53.55, 9.99),
    ("DE", "europe", "Munich", 48.14, 11.58),
    ("FR", "europe", "Lyon", 45.76, 4.84),
    ("IT", "europe", "Turin", 45.07, 7.69),
    ("PL", "europe", "Gdansk", 54.35, 18.65),
    ("ES", "europe", "Valencia", 39.47, -0.38),
    ("US", "north_america", "Chicago", 41.88, -87.63),
    ("US", "north_america", "Portland", 45.52, -122.68),
    ("CA", "north_america", "Toronto", 43.65, -79.38),
    ("MX", "north_america", "Monterrey", 25.69, -100.32),
    ("BR", "south_america", "Curitiba", -25.43, -49.27),
    ("CN", "asia", "Shenzhen", 22.54, 114.06),
    ("JP", "asia", "Osaka", 34.69, 135.50),
    ("IN", "asia", "Pune", 18.52, 73.86),
    ("VN", "asia", "Da Nang", 16.05, 108.20),
    ("KE", "africa", "Nairobi", -1.29, 36.82),
    ("ZA", "africa", "Durban", -29.86, 31.02),
    ("AU", "oceania", "Melbourne", -37.81, 144.96),
)
REGIONS = tuple(sorted({place[1] for place in PLACES}))
MODELS = ("taxonomy-small", "taxonomy-large", "vision-tags", "attribute-extractor")
LOST_REASONS = ("price", "timing", "competitor", "budget", "no answer", "specification")
VERBS = ("fits", "supports", "replaces", "extends", "protects", "measures", "carries", "seals", "powers", "cleans")
PLAIN_WORDS = (
    *("surface", "pressure", "housing", "handle", "battery", "warranty", "assembly", "instruction", "temperature"),
    *("voltage", "bearing", "thread", "coating", "cable", "filter", "spare", "part", "customer", "delivery", "service"),
    *("inspection", "tolerance", "capacity", "motor", "bracket", "screw", "panel", "sensor", "switch", "cover"),
    *("torque", "calibration", "corrosion", "maintenance", "lubricant", "fixture", "adapter", "ventilation"),
)

METRICS = (
    *("delivery_time", "return_rate", "margin", "conversion", "response_time", "stock_turn", "satisfaction", "growth"),
    *("energy_per_unit", "defects", "retention", "share_of_voice"),
)
SERVICES = ("shop", "search", "pricing", "quotes", "import", "classifier", "chat", "reports")
SERVICE_METRICS = ("requests", "errors", "latency_ms", "queue_length", "memory_mb", "cache_hits")
SOURCES = ("news", "review", "forum", "survey", "ticket", "social")
AGENTS = ("classifier", "enricher", "deduplicator", "price-watch", "translator")
TASKS = ("classify", "embed", "describe", "deduplicate")
ACTIONS = ("create", "update", "delete", "approve", "export", "log_in")
AUDITED = ("product", "vendor", "customer", "quote", "document", "template")
MODEL_TYPES = ("classifier", "ranker", "forecaster", "sentiment", "embedder", "anomaly")

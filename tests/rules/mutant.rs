//! The wrong rules: each breaks one rule, and must be caught.

macro_rules! mutants {
    ($($name:ident $rule:literal $what:literal,)*) => {
        /// A wrong rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Mutant {
            $(#[doc = $what] $name,)*
        }

        impl Mutant {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number of the rule that it breaks; 0 for the pruning rule and its steps.
            pub(crate) fn rule(self) -> u8 {
                match self { $(Self::$name => $rule,)* }
            }

            /// What is wrong.
            pub(crate) fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

mutants! {
    FilterComparesStart 0 "a filter drops a version by its start, not its end",
    FilterEndOffByOne 0 "a filter drops a version that is alive at the floor",
    FilterIgnoresPins 0 "a filter drops versions that a pin sees",
    FilterPinAtStartMissed 0 "a filter drops a version that begins at a pin",
    FilterDeletedIgnoresPins 0 "a filter drops a delete that a pin below needs",
    FilterDeletedOffByOne 0 "a filter drops a delete one above the floor",
    FilterTakesFloorLater 0 "a filter takes its pins and its floor at two moments",
    FiltersBeforeFloorDurable 0 "filters are armed before the floor is durable",
    FiltersBeforeReadFloor 0 "filters are armed before readers know the floor",
    FloorNotSynced 0 "the floor is written, but not synced",
    RecreateRemovesDeleted 1 "a key that comes back loses its deleted row",
    DeleteOfAbsentIsNoted 1 "a delete of an absent key is noted in deleted",
    DeletedBeforeCurrent 2 "deleted is looked up before current",
    HistoryBeforeDeleted 2 "history is looked up before deleted",
    HistoryEndIgnored 2 "a history row answers past its end",
    HistoryFirstMissAnswers 3 "history first: a miss is remembered",
    ReusedViewAnswersMiss 3 "history first: a miss is looked up in the old view again",
    HoleLooksAtCurrentOnly 4 "the hole check ignores the nearer history row",
    HoleWithoutFloor 4 "the hole check ignores the floor",
    HoleFloorTooEarly 4 "the hole check takes a floor from before the look-up",
    NoHoleCheck 4 "no hole is ever looked for",
    NoSecondCheck 5 "an unguarded read does not look at the floor again",
    SecondCheckTooEarly 5 "an unguarded read looks at the floor before its last look-up",
    GuardLoadsFloorFirst 5 "a guard loads the floor before it registers",
    GuardsNotArmedByPrune 5 "prune does not count guards that slipped in as pins",
    CloneRegistersAnew 5 "the clone of a guard registers anew, in another shard",
    ListingTakesRuleFirst 5 "a listing of versions takes floor and pins before its view",
    ListingTrustsGuardAtFloor 5 "a listing of versions relies on a guard at the floor",
    UnpinIgnoresGuards 6 "unpin takes no account of a guard that reads there",
    PinCheckedFirst 6 "a read at a pin looks for the pin before it registers",
    PinReadWithoutGuard 6 "a read at a pin holds nothing",
    ScanDeletedBeforeCurrent 7 "a scan opens deleted before current",
    ScanHistoryBeforeCurrent 7 "a scan opens history before current",
    ScanHistoryBeforeDeleted 7 "a scan opens history before deleted",
    ScanRefreshesCurrentOnly 7 "a scan opens current anew, and nothing else",
    ScanDeletedDecidesFirst 7 "in a scan deleted decides where current has the key",
    ScanWithoutGuard 7 "a scan goes on without its guard",
    LatestTakesWhatLies 8 "a latest get returns what is not published yet",
    LatestMissAnswersAtOnce 8 "a latest get believes a miss while a commit is written",
    LatestChecksStartedFirst 8 "a latest get looks for begun commits before it reads",
    LatestMixesMoments 8 "a latest get of several keys reads one of them anew",
    ScanChecksStartedFirst 8 "a scan looks for begun commits before it opens current",
    LatestScanReadsCurrent 8 "a latest scan returns what is not published yet",
    StartedSetAfterWrite 8 "a commit tells that it began only after its write",
    PublishedBeforeWritten 8 "a commit is visible before it is written",
    PinWithoutLock 9 "a pin is granted while a prune is under way",
    PruneWithoutLock 9 "two prunes run at the same time",
    PinGrantedBelowFloor 9 "a pin below the floor is granted where none holds",
    PruneAboveVisible 9 "the floor may pass the visible timestamp",
    FloorMovesDown 9 "the floor moves down",
    PinHeldBeforeDurable 10 "a pin is acknowledged before it is durable",
    PinNotSynced 10 "a pin is written, but not synced",
    UnpinFiltersBeforeMemory 10 "unpin tells filters before readers",
    UnpinDurableLast 10 "unpin tells filters before it is durable",
    UnpinNotSynced 10 "unpin is written, but not synced",
    FiltersArmedBeforePinsLoaded 10 "opening arms filters before it has loaded the pins",
    VerifyDemandsBelowFloor 11 "verify demands a version that ended at or below the floor",
    VerifyDemandsForPins 11 "verify demands a version because some pin lies below its end",
    CommitsDroppedAboveFloor 12 "a commit's keys go while it is above the floor",
    DiffWithoutSecondCheck 12 "a diff does not look at the floor again",
    DiffChecksFloorBeforeView 12 "a diff looks at the floor before it opens its view",
    DiffFromPinByCommits 12 "a diff from a pin goes through commits",
    DiffBelievesPartsFirst 12 "a diff takes a pruned part for a lost one",
    PruneIgnoresFeeds 12 "prune takes no account of feeds",
    FeedWithoutLock 12 "a feed is granted while a prune is under way",
}
